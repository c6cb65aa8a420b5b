package io.lychee.rerank.qwen;

import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.pytorch.jni.LibUtils;
import ai.djl.util.cuda.CudaUtils;
import io.lychee.rerank.config.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.Preprocessor;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.scoring.DeviceMemoryException;
import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.Scorer;
import io.lychee.rerank.scoring.ScoringException;
import io.lychee.rerank.scoring.Segment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Scores passes with a Qwen2.5-VL checkpoint on one device. Called by one thread at a time, not always the same. */
public final class QwenScorer implements Scorer {

    private static final Logger LOG = LoggerFactory.getLogger(QwenScorer.class);

    private final QwenConfig config;
    private final QwenNetwork network;
    private final ModelInfo model;
    private final TorchDevice device;

    private QwenScorer(QwenConfig config, QwenNetwork network, ModelInfo model, TorchDevice device) {
        this.config = config;
        this.network = network;
        this.model = model;
        this.device = device;
    }

    /**
     * Loads the checkpoint onto the device and scores a first small pass. Takes as long as reading the weights does.
     *
     * @param yesId token id of "yes" in the checkpoint's tokenizer
     * @param noId token id of "no" in the checkpoint's tokenizer
     * @throws ConfigException when checkpoint, device or engine are not what this network needs
     */
    public static QwenScorer open(RerankConfig.Model settings, int yesId, int noId) {
        CheckpointFiles checkpoint = CheckpointFiles.of(settings.checkpoint());
        QwenConfig config = QwenConfig.read(checkpoint);
        Preprocessor preprocessor = Preprocessor.read(checkpoint);
        requireFit(checkpoint, config, preprocessor, yesId, noId);
        Safetensors files = Safetensors.open(checkpoint);
        CheckpointTensors tensors = CheckpointTensors.match(config, files);
        ModelInfo model = new ModelInfo(checkpoint.name(), ModelFingerprint.of(checkpoint, files.files()));
        long started = System.nanoTime();
        TorchDevice device = TorchDevice.of(settings.device(), engine());
        QwenNetwork network;
        try {
            network = QwenNetwork.load(config, preprocessor, tensors, device, new QwenNetwork.Answers(yesId, noId));
        } catch (ConfigException e) {
            throw e;
        } catch (RuntimeException e) {
            throw new ConfigException(
                    "%s (model.checkpoint) can't be loaded onto %s (model.device): %s"
                            .formatted(checkpoint.directory(), device.name(), lastLine(e)),
                    e);
        }
        QwenScorer scorer = new QwenScorer(config, network, model, device);
        try {
            scorer.score(warmUp(config));
        } catch (ScoringException e) {
            scorer.close();
            throw e;
        }
        LOG.info(
                "{} ({}) is ready on {} in {} after {} ms",
                model.name(),
                model.fingerprint(),
                device.name(),
                device.dtype(),
                (System.nanoTime() - started) / 1_000_000);
        return scorer;
    }

    /** PyTorch puts what happened last, behind where it happened. */
    private static String lastLine(Throwable e) {
        String text = String.valueOf(e.getMessage()).strip();
        return text.substring(text.lastIndexOf('\n') + 1);
    }

    private static void requireFit(
            CheckpointFiles checkpoint, QwenConfig config, Preprocessor preprocessor, int yesId, int noId) {
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

    /** Each device of a setting of {@code model.device}, with what the network computes in. */
    public static List<String> describeDevices(String setting) {
        return devices(setting).stream()
                .map(name -> TorchDevice.of(name, engine()))
                .map(device -> device.name() + " in " + device.dtype())
                .toList();
    }

    /** Bytes free on {@code cuda:N}; as many as can be where CUDA doesn't say. */
    public static long freeMemory(String device) {
        return TorchDevice.freeMemory(device);
    }

    private static Engine engine() {
        TorchLibraries.requireFit();
        // DJL otherwise asks cloud metadata services who it is, seconds each; set it to false to let DJL download
        if (System.getProperty("ai.djl.offline") == null && System.getenv("DJL_OFFLINE") == null) {
            System.setProperty("ai.djl.offline", "true");
        }
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

    /** Text and one image of 2 × 2 tokens, so that a first real pass meets nothing new. */
    private static Pass warmUp(QwenConfig config) {
        int side = 2 * config.vision().cell();
        EncodedImage image = new EncodedImage(side, side, ByteBuffer.allocateDirect(side * side * 3));
        int[] tokens = new int[6];
        Arrays.fill(tokens, 1, 5, config.imageToken());
        Segment text = new Segment(new int[] {0, 0}, List.of(), 0, false);
        Segment picture = new Segment(tokens, List.of(image), 4, false);
        return new Pass(List.of(new Pass.Group(text, List.of(text, picture))));
    }

    @Override
    public float[] score(Pass pass) {
        float[] scores;
        try {
            scores = network.score(PackedPass.of(pass, config));
        } catch (RuntimeException e) {
            String message = "a pass of %d tokens, %d candidates failed: %s"
                    .formatted(pass.tokens(), pass.candidates(), e.getMessage());
            throw isOutOfMemory(e) ? new DeviceMemoryException(message, e) : new ScoringException(message, e);
        }
        int broken = 0;
        for (float score : scores) {
            broken += Float.isFinite(score) ? 0 : 1;
        }
        if (scores.length != pass.candidates() || broken > 0) {
            throw new ScoringException("a pass of %d candidates gave %d scores, %d of them not finite"
                    .formatted(pass.candidates(), scores.length, broken));
        }
        return scores;
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
