package io.lychee.rerank.job;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions.OnDeath;
import io.lychee.rerank.encoding.QwenEncoder;
import io.lychee.rerank.operator.EngineFactory;
import io.lychee.rerank.qwen.QwenScorer;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineSettings;
import io.lychee.rerank.scoring.Engines;
import io.lychee.rerank.scoring.Rules;
import io.lychee.rerank.scoring.Scorer;
import io.lychee.rerank.scoring.Ticker;
import java.time.Duration;
import java.util.function.Function;

/** Puts the engine together: encoder and scorer of one checkpoint behind one schedule. */
public record QwenEngines(RerankConfig config) implements EngineFactory {

    /** Exit code of a process whose device failed. */
    static final int DEAD_DEVICE = 70;

    /** So that a restarting job finds its network loaded. */
    private static final Duration LINGER = Duration.ofMinutes(5);

    @Override
    public Engines.Lease lease() {
        return Engines.lease(key(), this::open, LINGER);
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

    /** @throws io.lychee.rerank.config.ConfigException when the checkpoint or a setting is not usable */
    public Engine open() {
        return open(encoder -> QwenScorer.open(config.model(), encoder.yesId(), encoder.noId()));
    }

    /** The same engine with {@code network} in the place of the checkpoint's, for benchmarks. */
    public Engine open(Function<QwenEncoder, Scorer> network) {
        EngineSettings settings = settings();
        QwenEncoder encoder = QwenEncoder.open(config);
        try {
            return new Engine(
                    encoder,
                    network.apply(encoder),
                    settings,
                    Ticker.system(),
                    onDeath(config.engine().onDeath()));
        } catch (RuntimeException e) {
            encoder.close();
            throw e;
        }
    }

    /** Halts: shutdown hooks could wait for the device that hangs. */
    static Runnable onDeath(OnDeath choice) {
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
