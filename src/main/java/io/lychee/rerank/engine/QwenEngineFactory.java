package io.lychee.rerank.engine;

import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions.OnDeath;
import io.lychee.rerank.prompt.QwenEncoder;
import io.lychee.rerank.qwen.LoadProgress;
import io.lychee.rerank.qwen.QwenScorer;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineFactory;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.scoring.EngineSettings;
import io.lychee.rerank.scoring.Scorer;
import io.lychee.rerank.scoring.ScoringException;
import io.lychee.rerank.scoring.Ticker;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;

/** Puts engines together, one a device: encoder and scorer of one checkpoint behind one schedule. */
public record QwenEngineFactory(RerankConfig config) implements EngineFactory {

    /** Exit code of a process whose device failed. */
    public static final int DEAD_DEVICE = 70;

    /** So that a restarting job finds its network loaded. */
    private static final Duration LINGER = Duration.ofMinutes(5);

    @Override
    public EngineRegistry.Lease lease(List<Integer> gpus) {
        return lease(gpus, progress -> {});
    }

    /** @param progress told while weights are loaded, if they are, by a thread of the engines' own */
    public EngineRegistry.Lease lease(List<Integer> gpus, Consumer<LoadProgress> progress) {
        return EngineRegistry.lease(key(), devices(gpus), device -> open(device, progress), LINGER);
    }

    /** The configured one beats what Flink gives, and that what PyTorch sees. */
    private List<String> devices(List<Integer> gpus) {
        String setting = config.model().device();
        boolean several = setting.equals("auto") || setting.equals("cuda");
        if (several && !gpus.isEmpty()) {
            return gpus.stream().map(gpu -> "cuda:" + gpu).toList();
        }
        return EngineRegistry.apart(() -> QwenScorer.devices(setting));
    }

    /** Jobs share an engine when all agrees that a score, a rejection or the device's memory depends on. */
    EngineRegistry.Key key() {
        RerankConfig.Limits limits = config.limits();
        RerankConfig.Fetch fetch = config.fetch();
        List<?> network = List.of(
                stamps(),
                config.prompt(),
                config.preparation(),
                bounds(),
                limits.trainedPairTokens(),
                limits.maxQueryTokens(),
                limits.maxCandidateTokens(),
                limits.minPixels(),
                limits.maxPixels(),
                limits.maxDecodedPixels(),
                limits.maxImageBytes(),
                limits.maxImages(),
                limits.imageRoots(),
                fetch.maxRedirects(),
                fetch.allowPrivateAddresses());
        return new EngineRegistry.Key(
                network,
                List.of(settings(), fetch, config.caches(), config.engine()).toString());
    }

    /** Files that were replaced under their name are others. */
    private List<String> stamps() {
        CheckpointFiles checkpoint = CheckpointFiles.of(config.model().checkpoint());
        Stream<Path> spellings = Stream.of(config.preparation().spellings())
                .filter(name -> !name.isEmpty())
                .map(Path::of);
        return Stream.of(
                        Stream.of("config.json", "tokenizer.json", "preprocessor_config.json")
                                .map(checkpoint::file),
                        checkpoint.weights().stream(),
                        spellings)
                .flatMap(files -> files)
                .map(Path::toFile)
                .map(file -> file.getAbsolutePath() + " " + file.length() + " " + file.lastModified())
                .toList();
    }

    /**
     * One engine, for the first device.
     *
     * @throws ConfigException when the checkpoint or a setting is not usable
     */
    public Engine open() {
        return open(devices(List.of()).get(0), progress -> {});
    }

    private Engine open(String device, Consumer<LoadProgress> progress) {
        MachineCheck.require();
        MemoryCheck.require(CheckpointFiles.of(config.model().checkpoint()), device);
        return open(encoder ->
                QwenScorer.open(config.model().onto(device), bounds(), encoder.yesId(), encoder.noId(), progress));
    }

    /** With another scorer: for benchmarks. */
    public Engine open(Function<QwenEncoder, Scorer> scorers) {
        EngineSettings settings = settings();
        QwenEncoder encoder = QwenEncoder.open(config);
        try {
            return new Engine(
                    encoder,
                    scorers.apply(encoder),
                    settings,
                    Ticker.system(),
                    onDeath(config.engine().onDeath()));
        } catch (RuntimeException e) {
            encoder.close();
            throw e;
        }
    }

    /**
     * Ends the process where asked to, and always when the device hangs: nothing else frees it for another network.
     * Halts, since shutdown hooks could wait for it.
     */
    public static Consumer<RuntimeException> onDeath(OnDeath choice) {
        return error -> {
            boolean hang = error instanceof ScoringException scoring && scoring.isHang();
            if (hang || choice == OnDeath.EXIT) {
                System.err.println("lychee: " + error.getMessage() + "; this process ends with exit code " + DEAD_DEVICE
                        + (hang ? ", because only that frees what hangs. Start it again" : " (engine.on-death)"));
                Runtime.getRuntime().halt(DEAD_DEVICE);
            }
        };
    }

    /** What the device is to hold. */
    public QwenScorer.Bounds bounds() {
        return new QwenScorer.Bounds(
                config.caches().visionBytes(),
                config.engine().passTokens(),
                config.limits().maxPairTokens());
    }

    private EngineSettings settings() {
        int threads = config.engine().encodeThreads();
        return new EngineSettings(
                config.engine().passTokens(),
                config.engine().passTimeout(),
                config.limits().maxPairTokens(),
                config.limits().trainedPairTokens(),
                threads == 0 ? Runtime.getRuntime().availableProcessors() : threads,
                config.limits().decodeTimeout(),
                config.engine().encodeBytes(),
                config.limits().maxImageBytes(),
                config.fetch().maxConnections(),
                config.lanes().backfillMinShare(),
                config.caches().scores(),
                config.caches().scoresExpire());
    }
}
