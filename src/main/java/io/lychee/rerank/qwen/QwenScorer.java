package io.lychee.rerank.qwen;

import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.checkpoint.ModelFingerprint;
import io.lychee.rerank.checkpoint.NetworkConfig;
import io.lychee.rerank.checkpoint.Safetensors;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.scoring.DeviceMemoryException;
import io.lychee.rerank.scoring.Fallback;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.PassHandle;
import io.lychee.rerank.scoring.Scorer;
import io.lychee.rerank.scoring.ScoringException;
import io.lychee.rerank.torch.TorchDevice;
import io.lychee.rerank.torch.TorchRuntime;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Scores passes with a checkpoint on one device. Called by one thread at a time, not always the same. */
public final class QwenScorer implements Scorer {

    private static final Logger LOG = LoggerFactory.getLogger(QwenScorer.class);

    final NetworkConfig config;
    final QwenNetwork network;
    final VisionCache visionCache;
    private final TorchDevice device;
    private final ModelInfo model;
    private final Set<Fallback> fallbacks = EnumSet.noneOf(Fallback.class);
    private int passTokens;

    private QwenScorer(
            NetworkConfig config, TorchDevice device, QwenNetwork network, VisionCache cache, ModelInfo model) {
        this.config = config;
        this.device = device;
        this.network = network;
        this.visionCache = cache;
        this.model = model;
    }

    /**
     * Bounds memory on the device.
     *
     * @param visionBytes of the vision tower's cached output ({@code cache.vision.max-bytes}); 0 caches none
     * @param passTokens of a pass ({@code pass.max-tokens})
     * @param pairTokens of a pair, which is a pass of its own when it is longer ({@code pair.max-tokens})
     */
    public record Bounds(long visionBytes, int passTokens, int pairTokens) {

        /** Returns the vision cache's size in image tokens: at least those of the largest pass. */
        private int visionCells(NetworkConfig config, TorchDevice device) {
            long cells = visionBytes / ((long) config.vision().cellWidth() * device.bytesPerNumber());
            return (int) Math.min(Integer.MAX_VALUE, Math.max(Math.max(passTokens, pairTokens), cells));
        }
    }

    /**
     * Loads the checkpoint onto a device and scores small passes. Takes as long as the weights' files take to read.
     *
     * @param onto the device: cpu, or cuda:N where the setting names several
     * @param yesId token id of "yes" in the checkpoint's tokenizer
     * @param noId token id of "no" in the checkpoint's tokenizer
     * @param progress called while the weights are read, on the calling thread
     * @throws ConfigException when checkpoint, device or PyTorch don't suit the network
     */
    public static QwenScorer open(
            RerankConfig.Model settings,
            String onto,
            Bounds bounds,
            int yesId,
            int noId,
            Consumer<WeightLoading.Progress> progress) {
        TorchDevice device = TorchDevice.of(onto, settings.precision());
        CheckpointFiles checkpoint = CheckpointFiles.of(settings.checkpoint());
        NetworkConfig config = NetworkConfig.read(checkpoint);
        ImageProcessorConfig preprocessor = config.family().preprocessor(checkpoint);
        requireMatch(checkpoint, config, preprocessor, yesId, noId);
        Safetensors files = Safetensors.read(checkpoint.weights());
        CheckpointTensors tensors = CheckpointTensors.match(config, files);
        ModelInfo model = new ModelInfo(checkpoint.name(), ModelFingerprint.of(checkpoint, files.files()));
        QwenScorer scorer = open(
                config, preprocessor, device, QwenNetwork.sources(config.family(), device), bounds, model, network -> {
                    WeightLoading.load(tensors, network, device.isCpu(), progress);
                    network.finish(tensors.head().rows(yesId, 1), tensors.head().rows(noId, 1));
                });
        if (device.isCpu() && settings.device().equals("auto")) {
            scorer.fallbacks.add(Fallback.CPU);
        }
        return scorer;
    }

    /** @param weights fills and finishes the network */
    static QwenScorer open(
            NetworkConfig config,
            ImageProcessorConfig preprocessor,
            TorchDevice device,
            Map<String, String> sources,
            Bounds bounds,
            ModelInfo model,
            Consumer<QwenNetwork> weights) {
        long started = System.nanoTime();
        int cells = bounds.visionCells(config, device);
        QwenScorer scorer = null;
        try {
            QwenNetwork network = QwenNetwork.create(config, preprocessor, device, sources, cells);
            scorer = new QwenScorer(config, device, network, new VisionCache(cells, bounds.visionBytes > 0), model);
            weights.accept(network);
            KernelChoice kernels = KernelChoice.choose(network, device);
            scorer.fallbacks.addAll(kernels.fallbacks(device));
            scorer.passTokens = WarmUp.run(scorer, config, device, bounds.passTokens);
            LOG.info(
                    "{} ({}) is ready on {} in {} with {} after {} ms",
                    model.name(),
                    model.fingerprint(),
                    device.name(),
                    device.precision(),
                    kernels,
                    (System.nanoTime() - started) / 1_000_000);
            return scorer;
        } catch (RuntimeException e) {
            if (scorer != null) {
                scorer.close();
            }
            throw e instanceof ConfigException || e instanceof ScoringException
                    ? e
                    : new ConfigException(
                            "%s (model.checkpoint) can't be loaded onto %s (model.device): %s"
                                    .formatted(model.name(), device.name(), TorchRuntime.reason(e)),
                            e);
        }
    }

    private static void requireMatch(
            CheckpointFiles checkpoint, NetworkConfig config, ImageProcessorConfig preprocessor, int yesId, int noId) {
        int vocabulary = config.text().vocabulary();
        if (Math.min(yesId, noId) < 0 || Math.max(yesId, noId) >= vocabulary || yesId == noId) {
            throw new ConfigException(
                    "model.checkpoint is %s: its tokenizer says yes is %d and no is %d, its vocab_size %d"
                            .formatted(checkpoint.directory(), yesId, noId, vocabulary));
        }
        if (preprocessor.patchSize() != config.vision().patch()
                || preprocessor.mergeSize() != config.vision().merge()) {
            throw new ConfigException("model.checkpoint is %s: preprocessor_config.json has patches of %d merged by %d,"
                            .formatted(checkpoint.directory(), preprocessor.patchSize(), preprocessor.mergeSize())
                    + " config.json %d by %d"
                            .formatted(config.vision().patch(), config.vision().merge()));
        }
    }

    @Override
    public PassHandle start(Pass pass) {
        VisionCache.Plan images = null;
        try {
            PackedPass packed = new PackedPass(pass, config);
            images = visionCache.plan(packed.images, config.vision().cell());
            return new StartedPass(pass, network.start(packed, images), packed.imageHits(images.hits()));
        } catch (RuntimeException e) {
            if (images != null) {
                visionCache.forget(images.unseen());
            }
            String message = message(pass, e);
            throw TorchRuntime.isOutOfMemory(e)
                    ? new DeviceMemoryException(message, e)
                    : new ScoringException(message, e);
        }
    }

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record StartedPass(Pass pass, Supplier<float[]> scores, int[] imageHits) implements PassHandle {

        @Override
        public float[] await() {
            try {
                return scores.get();
            } catch (RuntimeException e) {
                // an error this late is a fault of the device, out of memory included
                throw new ScoringException(message(pass, e), e);
            }
        }
    }

    private static String message(Pass pass, RuntimeException e) {
        return "a pass of %d tokens, %d candidates failed: %s"
                .formatted(pass.tokens(), pass.candidates(), e.getMessage());
    }

    float[] score(Pass pass) {
        return start(pass).await();
    }

    @Override
    public boolean isAsynchronous() {
        return !device.isCpu();
    }

    @Override
    public int passTokens() {
        return passTokens;
    }

    @Override
    public Set<Fallback> fallbacks() {
        return fallbacks;
    }

    /** Returns the precision as {@code model.precision} names it. */
    public String precision() {
        return device.precision();
    }

    @Override
    public ModelInfo model() {
        return model;
    }

    @Override
    public String device() {
        return device.name();
    }

    @Override
    public void close() {
        network.close();
    }
}
