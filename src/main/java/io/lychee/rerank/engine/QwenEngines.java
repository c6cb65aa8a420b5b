package io.lychee.rerank.engine;

import io.lychee.rerank.config.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions.OnDeath;
import io.lychee.rerank.encoding.QwenEncoder;
import io.lychee.rerank.qwen.QwenScorer;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineFactory;
import io.lychee.rerank.scoring.EngineSettings;
import io.lychee.rerank.scoring.Engines;
import io.lychee.rerank.scoring.Rules;
import io.lychee.rerank.scoring.Ticker;
import java.time.Duration;
import java.util.List;

/** Puts engines together, one a device: encoder and scorer of one checkpoint behind one schedule. */
public record QwenEngines(RerankConfig config) implements EngineFactory {

    /** Exit code of a process whose device failed. */
    public static final int DEAD_DEVICE = 70;

    /** So that a restarting job finds its network loaded. */
    private static final Duration LINGER = Duration.ofMinutes(5);

    @Override
    public Engines.Lease lease(List<Integer> gpus) {
        return Engines.lease(key(), devices(gpus), this::open, LINGER);
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
                config.prompt().toString(),
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
        return open(devices(List.of()).get(0));
    }

    private Engine open(String device) {
        EngineSettings settings = settings();
        MemoryCheck.require(CheckpointFiles.of(config.model().checkpoint()), device);
        QwenEncoder encoder = QwenEncoder.open(config);
        try {
            QwenScorer scorer = QwenScorer.open(config.model().onto(device), encoder.yesId(), encoder.noId());
            return new Engine(
                    encoder,
                    scorer,
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
