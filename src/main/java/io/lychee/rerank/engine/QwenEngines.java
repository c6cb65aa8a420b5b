package io.lychee.rerank.engine;

import io.lychee.rerank.config.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions.OnDeath;
import io.lychee.rerank.encoding.QwenEncoder;
import io.lychee.rerank.qwen.LoadProgress;
import io.lychee.rerank.qwen.QwenScorer;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineFactory;
import io.lychee.rerank.scoring.EngineSettings;
import io.lychee.rerank.scoring.Engines;
import io.lychee.rerank.scoring.Rules;
import io.lychee.rerank.scoring.Scorer;
import io.lychee.rerank.scoring.Ticker;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;

/** Puts engines together, one a device: encoder and scorer of one checkpoint behind one schedule. */
public record QwenEngines(RerankConfig config) implements EngineFactory {

    /** Exit code of a process whose device failed. */
    public static final int DEAD_DEVICE = 70;

    /** So that a restarting job finds its network loaded. */
    private static final Duration LINGER = Duration.ofMinutes(5);

    @Override
    public Engines.Lease lease(List<Integer> gpus) {
        return lease(gpus, progress -> {});
    }

    /** @param progress told while weights are loaded, if they are, by a thread of the engines' own */
    public Engines.Lease lease(List<Integer> gpus, Consumer<LoadProgress> progress) {
        return Engines.lease(key(), devices(gpus), device -> open(device, progress), LINGER);
    }

    /** The configured one beats what Flink gives, and that what PyTorch sees. */
    private List<String> devices(List<Integer> gpus) {
        String setting = config.model().device();
        boolean several = setting.equals("auto") || setting.equals("cuda");
        if (several && !gpus.isEmpty()) {
            return gpus.stream().map(gpu -> "cuda:" + gpu).toList();
        }
        return Engines.apart(() -> QwenScorer.devices(setting));
    }

    /** Everything that shapes an engine; jobs that agree on it share one. */
    private String key() {
        return String.join(
                "|",
                config.model().toString(),
                config.caches().toString(),
                config.prompt().toString(),
                config.preparation().toString(),
                config.limits().toString(),
                config.fetch().toString(),
                config.lanes().toString(),
                config.engine().toString(),
                config.rules().toString());
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

    /** Halts: shutdown hooks could wait for the device that hangs. */
    public static Runnable onDeath(OnDeath choice) {
        return choice == OnDeath.EXIT ? () -> Runtime.getRuntime().halt(DEAD_DEVICE) : () -> {};
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
                config.engine().encodeBytes(),
                config.fetch().maxConnections(),
                config.lanes().backfillMinShare(),
                config.caches().scores(),
                config.caches().scoresExpire(),
                rules(),
                config.lanes().realtimeTimeout().toMillis(),
                config.lanes().backfillTimeout().toMillis());
    }

    private Rules rules() {
        try {
            return Rules.parse(config.rules());
        } catch (IllegalArgumentException e) {
            throw new ConfigException("rules: " + e.getMessage(), e);
        }
    }
}
