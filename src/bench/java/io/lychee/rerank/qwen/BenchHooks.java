package io.lychee.rerank.qwen;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.IValue;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.scoring.PromptPart;
import io.lychee.rerank.torch.TorchDevice;
import io.lychee.rerank.torch.TorchModule;
import io.lychee.rerank.torch.TorchScriptArchive;
import io.lychee.rerank.torch.TorchScriptSource;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Opens networks with random weights for benchmarks, and counts and times their matrix operations. */
public final class BenchHooks {

    /** A method of class Reranker. Speed doesn't depend on the weights. */
    private static final String FILL_RANDOM = """

                def fill_random(self) -> int:
                    weights = self.weights
                    assert weights is not None
                    for name in self.views.keys():
                        shape = self.views[name].shape
                        if len(shape) > 1:
                            rows = torch.randn(shape, device=self.views[name].device) * 0.02
                        else:
                            rows = torch.full(shape, 0.02 if name.endswith("bias") else 1.0)
                        weights.fill(name, 0, rows)
                    return len(self.views)
            """;

    private static final String GEMM = """
            import torch
            import torch.nn.functional as F
            from torch.nn import Module


            class Gemm(Module):
                device: str
                dtype: int

                # Multiplies random (size, size) matrices this many times; returns when the device is done.
                def multiply(self, size: int, times: int) -> float:
                    a = torch.randn([size, size], device=torch.device(self.device)).to(self.dtype)
                    b = torch.randn([size, size], device=torch.device(self.device)) / size**0.5  # keeps the magnitude
                    b = b.to(self.dtype)
                    for _ in range(times):
                        a = F.linear(a, b)
                    return float(a[0, 0].item())
            """;

    private final TorchDevice device;
    private final QwenScorer scorer;

    private BenchHooks(TorchDevice device, QwenScorer scorer) {
        this.device = device;
        this.scorer = scorer;
    }

    /**
     * Opens a network of a published shape with random weights, made on the device.
     *
     * @param shape 7b, 3b, or tiny: that of the checkpoint in the settings
     */
    public static BenchHooks random(RerankConfig.Model settings, QwenScorer.Bounds bounds, String shape) {
        CheckpointFiles checkpoint = CheckpointFiles.of(settings.checkpoint());
        QwenConfig config = withShape(QwenConfig.read(checkpoint), shape);
        TorchDevice device = TorchDevice.of(settings.device(), settings.precision());
        Map<String, String> sources = QwenNetwork.sources(device);
        sources.merge("reranker", FILL_RANDOM, String::concat);
        ImageProcessorConfig preprocessor = ImageProcessorConfig.read(checkpoint);
        ModelInfo model = new ModelInfo("random-" + shape, "random");
        return new BenchHooks(
                device,
                QwenScorer.open(
                        config,
                        preprocessor,
                        device,
                        sources,
                        bounds,
                        model,
                        network -> fillRandom(network, config.text().hidden())));
    }

    private static void fillRandom(QwenNetwork network, int hidden) {
        try (TorchModule.Call call = network.module.call()) {
            call.run("fill_random");
            float[] row = new float[hidden];
            IValue no = call.tensor(FloatBuffer.wrap(row.clone()), new Shape(hidden), DataType.FLOAT32);
            Arrays.fill(row, 0.01f);
            IValue yes = call.tensor(FloatBuffer.wrap(row), new Shape(hidden), DataType.FLOAT32);
            call.run("finish", yes, no, false);
        }
    }

    /** Returns the network of a published shape with this one's special tokens. */
    private static QwenConfig withShape(QwenConfig config, String shape) {
        return switch (shape) {
            case "7b" -> withShape(config, 3584, 18944, 28, 28, 4, 152064);
            case "3b" -> withShape(config, 2048, 11008, 36, 16, 2, 151936);
            case "tiny" -> config;
            default -> throw new ConfigException("--shape is %s; expected 7b, 3b or tiny".formatted(shape));
        };
    }

    private static QwenConfig withShape(
            QwenConfig config, int hidden, int intermediate, int layers, int heads, int kvHeads, int vocabulary) {
        return new QwenConfig(
                new QwenConfig.Text(
                        hidden, intermediate, layers, heads, kvHeads, vocabulary, 1e-6, 1e6, List.of(16, 24, 24)),
                new QwenConfig.Vision(32, 1280, 3420, 16, hidden, 3, 14, 2, 2, 112, List.of(7, 15, 23, 31), 10_000),
                config.imageToken(),
                false);
    }

    public QwenScorer scorer() {
        return scorer;
    }

    /** Measures large matrix products in the network's dtype: operations a second. */
    public double gemmRate() {
        int size = device.isCpu() ? 1024 : 8192; // large enough to reach the device's rate
        int times = device.isCpu() ? 10 : 200;
        Map<String, ?> attributes = Map.of(
                "training", false, "device", device.name(), "dtype", TorchScriptSource.scalarType(device.dtype()));
        byte[] archive =
                TorchScriptArchive.write(TorchScriptSource.translate(Map.of("gemm", GEMM)), "gemm.Gemm", attributes);
        try (TorchModule module = TorchModule.load(archive);
                TorchModule.Call call = module.call()) {
            call.run("multiply", size, 3);
            long start = System.nanoTime();
            call.run("multiply", size, times);
            return 2.0 * size * size * size * times / ((System.nanoTime() - start) / 1e9);
        }
    }

    /** Counts the multiplications and additions of a part's tokens in all matrices but the head. */
    public double operations(PromptPart part) {
        QwenConfig.Text text = scorer.config.text();
        double attention = (2.0 * text.heads() + 2.0 * text.kvHeads()) * text.headDim() * text.hidden();
        double textToken = 2.0 * text.layers() * (attention + 3.0 * text.hidden() * text.intermediate());
        QwenConfig.Vision vision = scorer.config.vision();
        double patches = (double) vision.merge() * vision.merge();
        double cellHidden = patches * vision.hidden();
        double block = 4.0 * vision.hidden() * vision.hidden() + 3.0 * vision.hidden() * vision.intermediate();
        double imageToken =
                2.0 * (patches * vision.depth() * block + cellHidden * cellHidden + cellHidden * vision.outHidden());
        return part.tokens().length * textToken + part.visionTokens() * imageToken;
    }
}
