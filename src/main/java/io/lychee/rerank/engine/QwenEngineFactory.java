package io.lychee.rerank.engine;

import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.Families;
import io.lychee.rerank.checkpoint.Family;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.OnDeath;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.prompt.QwenEncoder;
import io.lychee.rerank.qwen.QwenScorer;
import io.lychee.rerank.qwen.WeightLoading;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineFactory;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.scoring.EngineSettings;
import io.lychee.rerank.scoring.Scorer;
import io.lychee.rerank.scoring.ScoringException;
import io.lychee.rerank.scoring.Ticker;
import io.lychee.rerank.torch.TorchDevice;
import io.lychee.rerank.torch.TorchRuntime;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;

/** Composes the encoder and the scorer of a checkpoint into engines, one for each device of this JVM. */
public record QwenEngineFactory(RerankConfig config) implements EngineFactory {

    /** Exit code of a process after a device failure. */
    public static final int DEAD_DEVICE = 70;

    /** Keeps the network loaded for a job that restarts. */
    private static final Duration LINGER = Duration.ofMinutes(5);

    @Override
    public EngineRegistry.Lease lease(List<Integer> gpus) {
        return lease(gpus, progress -> {});
    }

    /** @param progress called while weights load, on a thread of the engine */
    public EngineRegistry.Lease lease(List<Integer> gpus, Consumer<WeightLoading.Progress> progress) {
        return EngineRegistry.lease(key(), devices(gpus), device -> open(device, progress), LINGER);
    }

    /** Selects devices: by configuration first, then those that Flink assigns, then those that PyTorch sees. */
    private List<String> devices(List<Integer> gpus) {
        String setting = config.model().device();
        boolean several = setting.equals("auto") || setting.equals("cuda");
        if (several && !gpus.isEmpty()) {
            return gpus.stream().map(gpu -> "cuda:" + gpu).toList();
        }
        return EngineRegistry.apart(
                () -> TorchDevice.all(setting).stream().map(TorchDevice::name).toList());
    }

    /** Identifies engines by every setting that scores, rejections or device memory depend on: such jobs share one. */
    EngineRegistry.Key key() {
        RerankConfig.Limits limits = config.limits();
        RerankConfig.Fetch fetch = config.fetch();
        List<?> network = List.of(
                stamps(),
                config.model().precision(),
                config.prompt(),
                config.preparation(),
                bounds(),
                limits.trainedPairTokens(),
                limits.maxQueryTokens(),
                limits.maxCandidateTokens(),
                limits.minPixels(),
                limits.maxPixels(),
                limits.imageRules(),
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

    /** Identifies files by path, size and time, to notice a replaced file. */
    private List<String> stamps() {
        CheckpointFiles checkpoint = CheckpointFiles.of(config.model().checkpoint());
        List<Path> files = new ArrayList<>(checkpoint.settings());
        files.addAll(checkpoint.weights());
        if (checkpoint.has(RecordedScores.FILE)) {
            files.add(checkpoint.file(RecordedScores.FILE));
        }
        if (!config.preparation().spellings().isEmpty()) {
            files.add(Path.of(config.preparation().spellings()));
        }
        return files.stream()
                .map(Path::toFile)
                .map(file -> file.getAbsolutePath() + " " + file.length() + " " + file.lastModified())
                .toList();
    }

    /**
     * Opens one engine, on the first device.
     *
     * @throws ConfigException when the checkpoint or a setting is unusable
     */
    public Engine open() {
        return open(devices(List.of()).get(0), progress -> {});
    }

    private Engine open(String device, Consumer<WeightLoading.Progress> progress) {
        MachineCheck.require();
        MemoryCheck.require(
                CheckpointFiles.of(config.model().checkpoint()),
                device,
                config.model().precision());
        return open(encoder -> {
            QwenScorer scorer =
                    QwenScorer.open(config.model(), device, bounds(), encoder.yesId(), encoder.noId(), progress);
            try {
                RecordedScores now = score(encoder, scorer);
                CheckpointFiles checkpoint = CheckpointFiles.of(config.model().checkpoint());
                CheckpointCheck.require(checkpoint, now.scores(), now.precision());
                RecordedScores.require(checkpoint, now);
                return scorer;
            } catch (RuntimeException e) {
                scorer.close();
                throw e;
            }
        });
    }

    private RecordedScores score(QwenEncoder encoder, QwenScorer scorer) {
        return RecordedScores.of(config, scorer.model(), scorer.precision(), ReferencePairs.score(encoder, scorer));
    }

    /**
     * Scores the reference pairs on the first device, whatever is recorded.
     *
     * @throws ConfigException when the checkpoint can't be loaded, or its scores say nothing
     */
    public RecordedScores scoreReferencePairs() {
        TorchRuntime.keepOffline();
        try (QwenEncoder encoder = QwenEncoder.open(config);
                QwenScorer scorer = QwenScorer.open(
                        config.model(),
                        devices(List.of()).get(0),
                        bounds(),
                        encoder.yesId(),
                        encoder.noId(),
                        progress -> {})) {
            RecordedScores scores = score(encoder, scorer);
            CheckpointCheck.require(
                    CheckpointFiles.of(config.model().checkpoint()), scores.scores(), scores.precision());
            return scores;
        }
    }

    /** Opens an engine with another scorer, for benchmarks and tests. */
    public Engine open(Function<QwenEncoder, Scorer> scorers) {
        TorchRuntime.keepOffline();
        QwenEncoder encoder = QwenEncoder.open(config);
        try {
            return new Engine(
                    encoder,
                    scorers.apply(encoder),
                    settings(),
                    Ticker.system(),
                    onDeath(config.engine().onDeath()));
        } catch (RuntimeException e) {
            encoder.close();
            throw e;
        }
    }

    /**
     * Halts the process after a device failure where configured, and always after a hang, which nothing else ends.
     * Shutdown hooks don't run: they could wait for the device.
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

    /** Returns the bounds of the scorer's memory. */
    public QwenScorer.Bounds bounds() {
        return new QwenScorer.Bounds(
                config.caches().visionBytes(),
                config.engine().passTokens(),
                config.limits().maxPairTokens());
    }

    private EngineSettings settings() {
        int threads = config.engine().encodeThreads();
        Family family = Families.of(CheckpointFiles.of(config.model().checkpoint()));
        return new EngineSettings(
                config.engine().passTokens(),
                config.engine().passTimeout(),
                config.limits().maxPairTokens(),
                family.trainedPairTokens(config.limits()),
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
