package io.lychee.rerank.qwen;

import io.lychee.rerank.checkpoint.NetworkConfig;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.scoring.DeviceMemoryException;
import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.PromptPart;
import io.lychee.rerank.torch.TorchDevice;
import io.lychee.rerank.torch.TorchRuntime;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Scores synthetic passes after loading, so that one-time work and a lack of memory show before real lists come. */
final class WarmUp {

    private static final Logger LOG = LoggerFactory.getLogger(WarmUp.class);

    private static final int GPU_PASSES = 3;
    private static final int MIN_PASS_TOKENS = 512;

    private WarmUp() {}

    /**
     * Scores a small pass on the CPU, passes of full size on a GPU, halved until they fit.
     *
     * @return tokens of the largest pass that fits
     * @throws ConfigException when passes of 512 tokens don't
     */
    static int run(QwenScorer scorer, NetworkConfig config, TorchDevice device, int maxTokens) {
        if (device.isCpu()) {
            scorer.score(pass(config, 2, 1));
            return maxTokens;
        }
        int tokens = maxTokens;
        for (int i = 0; i < GPU_PASSES; ) {
            int side = 16 - i % 3; // 16: an image of 448 × 448 pixels
            try {
                scorer.score(pass(config, side, Math.max(1, tokens / (side * side + 4) - i % 4)));
                i++;
            } catch (DeviceMemoryException e) {
                tokens /= 2;
                LOG.warn("passes of pass.max-tokens {} don't fit {}: trying {}", tokens * 2, device.name(), tokens);
                if (tokens < MIN_PASS_TOKENS) {
                    throw new ConfigException(
                            "%s (model.device) has too little memory left for passes of %d tokens beside %s: %s"
                                    .formatted(
                                            device.name(),
                                            tokens * 2,
                                            scorer.model().name(),
                                            TorchRuntime.reason(e)),
                            e);
                }
            }
        }
        return tokens;
    }

    /** Makes a list of candidates, each with text and a distinct image of side × side tokens. */
    private static Pass pass(NetworkConfig config, int side, int candidates) {
        int pixels = side * config.vision().cell();
        List<PromptPart> parts = new ArrayList<>();
        for (int i = 0; i < candidates; i++) {
            ByteBuffer rgb = ByteBuffer.allocate(pixels * pixels * 3);
            rgb.putInt(0, i);
            int[] tokens = new int[side * side + 2 + i % 5];
            Arrays.fill(tokens, 1, side * side + 1, config.imageToken());
            parts.add(new PromptPart(tokens, List.of(new EncodedImage(pixels, pixels, rgb)), side * side, false));
        }
        PromptPart prefix = new PromptPart(new int[] {0, 0}, List.of(), 0, false);
        return new Pass(List.of(new Pass.Group(prefix, parts)));
    }
}
