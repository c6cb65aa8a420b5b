package io.lychee.rerank.bench;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.scoring.EngineFactory;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.PassHandle;
import io.lychee.rerank.scoring.PromptPart;
import io.lychee.rerank.scoring.Scorer;
import io.lychee.rerank.scoring.ScoringException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * The job's engine, tokenizer and schedule included, with a network that takes its time and judges nothing.
 *
 * @param passMicros fixed cost of a pass
 * @param tokenMicros cost of each of its tokens
 */
record SimulatedEngines(RerankConfig config, int passMicros, int tokenMicros) implements EngineFactory {

    private static final String SIMULATED = "simulated";

    @Override
    public EngineRegistry.Lease lease(List<Integer> gpus) {
        return EngineRegistry.lease(
                new EngineRegistry.Key(toString(), ""),
                List.of(SIMULATED),
                device -> new QwenEngineFactory(config).open(encoder -> new Network(this)),
                Duration.ZERO);
    }

    /** Returns the time of a pass with this many tokens. */
    long nanos(int tokens) {
        return TimeUnit.MICROSECONDS.toNanos(passMicros + (long) tokens * tokenMicros);
    }

    private record Network(SimulatedEngines cost) implements Scorer {

        @Override
        public PassHandle start(Pass pass) {
            long end = System.nanoTime() + cost.nanos(pass.tokens());
            for (long left = end - System.nanoTime(); left > 0; left = end - System.nanoTime()) {
                LockSupport.parkNanos(left);
                if (Thread.currentThread().isInterrupted()) {
                    throw new ScoringException("closed during a pass");
                }
            }
            float[] scores = new float[pass.candidates()];
            int next = 0;
            for (Pass.Group group : pass.groups()) {
                for (PromptPart candidate : group.candidates()) {
                    scores[next++] = (Arrays.hashCode(candidate.tokens()) & 0xFFFF) / 8_192f - 4;
                }
            }
            return () -> scores;
        }

        @Override
        public ModelInfo model() {
            return new ModelInfo("simulated", cost.passMicros + "+" + cost.tokenMicros + " µs");
        }

        @Override
        public String device() {
            return SIMULATED;
        }

        @Override
        public void close() {}
    }
}
