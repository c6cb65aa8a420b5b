package io.lychee.rerank.qwen;

import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.pytorch.jni.LibUtils;
import ai.djl.util.cuda.CudaUtils;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.checkpoint.ModelFingerprint;
import io.lychee.rerank.checkpoint.Safetensors;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.scoring.DeviceMemoryException;
import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.PassHandle;
import io.lychee.rerank.scoring.PromptPart;
import io.lychee.rerank.scoring.Scorer;
import io.lychee.rerank.scoring.ScoringException;
import io.lychee.rerank.torch.TorchDevice;
import io.lychee.rerank.torch.TorchLibraries;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Scores passes with a Qwen2.5-VL checkpoint on one device. Called by one thread at a time, not always the same. */
public final class QwenScorer implements Scorer {

    private static final Logger LOG = LoggerFactory.getLogger(QwenScorer.class);

    private static final String FLASH = "FlashAttention";
    private static final String PLAIN = "scaled_dot_product_attention";

    /** What FlashAttention in bfloat16 may differ by from float32; its outputs are up to about 3. */
    private static final double FLASH_TOLERANCE = 0.05;

    private static final int GPU_WARM_UPS = 3;

    private static final int MIN_PASS_TOKENS = 512;

    private static final long PROGRESS_NANOS = TimeUnit.SECONDS.toNanos(2);

    private final QwenConfig config;
    private final TorchDevice device;
    private final QwenNetwork network;
    private final VisionCache seen;
    private final ModelInfo model;
    private int passTokens;

    private QwenScorer(QwenConfig config, TorchDevice device, QwenNetwork network, VisionCache seen, ModelInfo model) {
        this.config = config;
        this.device = device;
        this.network = network;
        this.seen = seen;
        this.model = model;
    }

    /**
     * How much is kept on the device.
     *
     * @param visionBytes of the vision tower's output ({@code cache.vision.max-bytes}); 0 keeps none from pass to pass
     * @param passTokens of a pass ({@code pass.max-tokens})
     * @param pairTokens of a pair, which is a pass of its own where it is longer ({@code pair.max-tokens})
     */
    public record Bounds(long visionBytes, int passTokens, int pairTokens) {

        private int seenCells(QwenConfig config, TorchDevice device) {
            long cells = visionBytes / ((long) config.text().hidden() * device.bytesPerNumber());
            return (int) Math.min(Integer.MAX_VALUE, Math.max(Math.max(passTokens, pairTokens), cells));
        }
    }

    /**
     * Loads the checkpoint onto the device and scores a first small pass. Takes as long as reading the weights does.
     *
     * @param yesId token id of "yes" in the checkpoint's tokenizer
     * @param noId token id of "no" in the checkpoint's tokenizer
     * @param progress told while the weights are read, by the calling thread
     * @throws ConfigException when checkpoint, device or engine are not what this network needs
     */
    public static QwenScorer open(
            RerankConfig.Model settings, Bounds bounds, int yesId, int noId, Consumer<LoadProgress> progress) {
        TorchDevice device = TorchDevice.of(settings.device(), engine());
        return open(settings, bounds, yesId, noId, progress, device, QwenNetwork.sources(device));
    }

    static QwenScorer open(
            RerankConfig.Model settings,
            Bounds bounds,
            int yesId,
            int noId,
            Consumer<LoadProgress> progress,
            TorchDevice device,
            Map<String, String> sources) {
        CheckpointFiles checkpoint = CheckpointFiles.of(settings.checkpoint());
        QwenConfig config = QwenConfig.read(checkpoint);
        ImageProcessorConfig preprocessor = ImageProcessorConfig.read(checkpoint);
        requireFit(checkpoint, config, preprocessor, yesId, noId);
        Safetensors files = Safetensors.open(checkpoint);
        CheckpointTensors tensors = CheckpointTensors.match(config, files);
        ModelInfo model = new ModelInfo(checkpoint.name(), ModelFingerprint.of(checkpoint, files.files()));
        return open(config, preprocessor, device, sources, bounds, model, network -> {
            WeightLoading.load(tensors, network, device.isCpu(), logged().andThen(progress));
            network.finish(tensors.head().rows(yesId, 1), tensors.head().rows(noId, 1));
        });
    }

    /**
     * A network of a published shape whose weights mean nothing, made on the device: for benchmarks.
     *
     * @param shape 7b, 3b, or tiny: that of the checkpoint in the settings
     */
    public static QwenScorer random(RerankConfig.Model settings, Bounds bounds, String shape) {
        CheckpointFiles checkpoint = CheckpointFiles.of(settings.checkpoint());
        QwenConfig config = QwenConfig.read(checkpoint).shaped(shape);
        TorchDevice device = TorchDevice.of(settings.device(), engine());
        ModelInfo model = new ModelInfo("random-" + shape, "random");
        return open(
                config,
                ImageProcessorConfig.read(checkpoint),
                device,
                QwenNetwork.sources(device),
                bounds,
                model,
                QwenNetwork::randomise);
    }

    private static QwenScorer open(
            QwenConfig config,
            ImageProcessorConfig preprocessor,
            TorchDevice device,
            Map<String, String> sources,
            Bounds bounds,
            ModelInfo model,
            Consumer<QwenNetwork> weights) {
        long started = System.nanoTime();
        int cells = bounds.seenCells(config, device);
        QwenScorer scorer = null;
        try {
            QwenNetwork network = QwenNetwork.create(config, preprocessor, device, sources, cells);
            scorer = new QwenScorer(config, device, network, new VisionCache(cells, bounds.visionBytes() > 0), model);
            weights.accept(network);
            String kernels = device.isCpu() ? PLAIN : chooseKernels(network, device);
            scorer.passTokens = scorer.warmUp(bounds);
            LOG.info(
                    "{} ({}) is ready on {} in {} with {} after {} ms",
                    model.name(),
                    model.fingerprint(),
                    device.name(),
                    device.dtype(),
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
                                    .formatted(model.name(), device.name(), lastLine(e)),
                            e);
        }
    }

    /** The fastest that gives on this very device what the plain ones give. */
    private static String chooseKernels(QwenNetwork network, TorchDevice device) {
        try {
            double error = network.flashError();
            if (error < FLASH_TOLERANCE) {
                network.useFlash(true);
                return FLASH;
            }
            LOG.warn(
                    "FlashAttention on {} is {} away from float32 where {} is allowed",
                    device.name(),
                    error,
                    FLASH_TOLERANCE);
        } catch (RuntimeException e) {
            LOG.warn("{} has no FlashAttention: {}", device.name(), lastLine(e));
        }
        return PLAIN;
    }

    private static Consumer<LoadProgress> logged() {
        AtomicLong next = new AtomicLong(System.nanoTime() + PROGRESS_NANOS);
        return progress -> {
            if (System.nanoTime() >= next.get()) {
                LOG.info("{}", progress);
                next.set(System.nanoTime() + PROGRESS_NANOS);
            }
        };
    }

    /** PyTorch puts what happened last, behind where it happened. */
    private static String lastLine(Throwable e) {
        String text = String.valueOf(e.getMessage()).strip();
        return text.substring(text.lastIndexOf('\n') + 1);
    }

    private static void requireFit(
            CheckpointFiles checkpoint, QwenConfig config, ImageProcessorConfig preprocessor, int yesId, int noId) {
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

    /**
     * The devices that a setting stands for.
     *
     * @param setting of {@code model.device}: cpu, cuda, cuda:N or auto
     */
    public static List<String> devices(String setting) {
        return TorchDevice.all(setting, engine());
    }

    /** Names, versions and places of the native libraries; each says itself what is wrong with it. */
    public static Map<String, Callable<String>> libraries() {
        Map<String, Callable<String>> libraries = new LinkedHashMap<>();
        libraries.put("DJL", Engine::getDjlVersion);
        libraries.put(
                "PyTorch",
                () -> engine().getVersion() + ", JNI " + LibUtils.getVersion() + ", in " + LibUtils.getLibtorchPath());
        libraries.put(
                "CUDA",
                () -> engine().getGpuCount() == 0
                        ? "none that PyTorch sees"
                        : CudaUtils.getCudaVersionString() + ", GPUs: " + engine().getGpuCount());
        return libraries;
    }

    /**
     * Each device of a setting of {@code model.device}, with what the network computes in, and on which attention
     * kernels. A GPU's are chosen only when a network is loaded.
     */
    public static List<String> describeDevices(String setting) {
        return devices(setting).stream()
                .map(name -> TorchDevice.of(name, engine()))
                .map(device -> device.name() + " in " + device.dtype() + " with "
                        + (device.isCpu() ? PLAIN : FLASH + " where it passes a check at start, else " + PLAIN))
                .toList();
    }

    /** Bytes free on {@code cuda:N}; as many as can be where CUDA doesn't say. */
    public static long freeMemory(String device) {
        return TorchDevice.freeMemory(device);
    }

    private static Engine engine() {
        // DJL otherwise asks cloud metadata services who it is, seconds each; set it to false to let DJL download
        if (System.getProperty("ai.djl.offline") == null && System.getenv("DJL_OFFLINE") == null) {
            System.setProperty("ai.djl.offline", "true");
        }
        TorchLibraries.requireFit();
        try {
            Engine engine = Engine.getEngine("PyTorch");
            // PyTorch's threads wait for each other spinning: beside other busy threads, one too many is ten times
            // slower
            if (System.getProperty("ai.djl.pytorch.num_threads") == null && System.getenv("OMP_NUM_THREADS") == null) {
                JniUtils.setNumThreads(Math.max(1, Runtime.getRuntime().availableProcessors() / 2));
            }
            return engine;
        } catch (RuntimeException | LinkageError e) {
            throw new ConfigException("PyTorch can't start: " + e, e);
        }
    }

    /**
     * Passes with text and images, so that real ones meet nothing new. On a GPU some at full size: what doesn't fit the
     * memory shows now.
     *
     * @return tokens of the largest pass that fits
     */
    private int warmUp(Bounds bounds) {
        if (device.isCpu()) {
            score(warmUp(2, 1));
            return bounds.passTokens();
        }
        int tokens = bounds.passTokens();
        for (int i = 0; i < GPU_WARM_UPS; ) {
            int side = 16 - i % 3; // 16: as a picture of 448 × 448
            try {
                score(warmUp(side, Math.max(1, tokens / (side * side + 4) - i % 4)));
                i++;
            } catch (DeviceMemoryException e) {
                tokens /= 2;
                LOG.warn("passes of pass.max-tokens {} don't fit {}: trying {}", tokens * 2, device.name(), tokens);
                if (tokens < MIN_PASS_TOKENS) {
                    throw new ConfigException(
                            "%s (model.device) has too little memory left for passes of %d tokens beside %s: %s"
                                    .formatted(device.name(), tokens * 2, model.name(), lastLine(e)),
                            e);
                }
            }
        }
        return tokens;
    }

    /** So many candidates, of text and an image of side × side tokens each, no two images alike. */
    private Pass warmUp(int side, int candidates) {
        int pixels = side * config.vision().cell();
        List<PromptPart> segments = new ArrayList<>();
        for (int i = 0; i < candidates; i++) {
            ByteBuffer rgb = ByteBuffer.allocate(pixels * pixels * 3);
            rgb.putInt(0, i);
            int[] tokens = new int[side * side + 2 + i % 5];
            Arrays.fill(tokens, 1, side * side + 1, config.imageToken());
            segments.add(new PromptPart(tokens, List.of(new EncodedImage(pixels, pixels, rgb)), side * side, false));
        }
        PromptPart prefix = new PromptPart(new int[] {0, 0}, List.of(), 0, false);
        return new Pass(List.of(new Pass.Group(prefix, segments)));
    }

    float[] score(Pass pass) {
        return start(pass).await();
    }

    @Override
    public PassHandle start(Pass pass) {
        VisionCache.Plan images = null;
        try {
            PackedPass packed = PackedPass.of(pass, config);
            images = seen.plan(packed.images(), config.vision().cell());
            return handle(pass, network.start(packed, images), packed.hits(images.hits));
        } catch (RuntimeException e) {
            if (images != null) {
                seen.forget(images.unseen);
            }
            throw failure(pass, e);
        }
    }

    private static PassHandle handle(Pass pass, Supplier<float[]> scores, int[] imageHits) {
        return new PassHandle() {
            @Override
            public float[] await() {
                try {
                    return scores.get();
                } catch (RuntimeException e) {
                    // what is said so late is said of the device, whatever it says
                    throw new ScoringException(message(pass, e), e);
                }
            }

            @Override
            public int[] imageHits() {
                return imageHits.clone();
            }
        };
    }

    @Override
    public boolean isAsynchronous() {
        return !device.isCpu();
    }

    private static String message(Pass pass, RuntimeException e) {
        return "a pass of %d tokens, %d candidates failed: %s"
                .formatted(pass.tokens(), pass.candidates(), e.getMessage());
    }

    private static RuntimeException failure(Pass pass, RuntimeException e) {
        String message = message(pass, e);
        return isOutOfMemory(e) ? new DeviceMemoryException(message, e) : new ScoringException(message, e);
    }

    /** PyTorch says so only in words: of CUDA's allocator, of the CPU's, of cuBLAS. */
    static boolean isOutOfMemory(Throwable e) {
        String message = String.valueOf(e.getMessage()).toLowerCase(Locale.ROOT);
        return message.contains("out of memory")
                || message.contains("can't allocate memory")
                || message.contains("cublas_status_alloc_failed");
    }

    /** For tests of what lies between pixels and scores. */
    QwenNetwork network() {
        return network;
    }

    QwenConfig config() {
        return config;
    }

    VisionCache.Plan plan(List<EncodedImage> images) {
        return seen.plan(images, config.vision().cell());
    }

    @Override
    public int passTokens() {
        return passTokens;
    }

    /** Operations a second of large matrix products in the network's numbers, measured now. For benchmarks. */
    public double gemmRate() {
        return network.gemmRate();
    }

    /** Operations that one text token takes in the language model's matrices. */
    public double textOperations() {
        return config.text().operations();
    }

    /** Operations that one image token takes in the vision tower's matrices, its merger included. */
    public double visionOperations() {
        return config.vision().operations();
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
