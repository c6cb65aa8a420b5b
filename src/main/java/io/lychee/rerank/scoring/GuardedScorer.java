package io.lychee.rerank.scoring;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Wraps a scorer with a watchdog, out-of-memory halving and a canary pass. The canary tells a broken device from
 * candidates that are all too large. Passes are started by the device thread; one thread at a time awaits them.
 */
final class GuardedScorer {

    private static final Logger LOG = LoggerFactory.getLogger(GuardedScorer.class);

    /** Stands for the score of a candidate that doesn't fit the memory, even alone. */
    static final float NO_MEMORY = Float.NEGATIVE_INFINITY;

    private static final PromptPart TOKEN = new PromptPart(new int[] {0}, List.of(), 0, false);
    private static final Pass CANARY = new Pass(List.of(new Pass.Group(TOKEN, List.of(TOKEN))));

    private final Scorer scorer;
    private final Duration passTimeout;
    private final ScheduledExecutorService timer;
    private final Consumer<ScoringException> onHang;
    private final Consumer<Pass> onTooLarge;

    /**
     * @param onHang called on the timer's thread when a pass takes longer than {@code passTimeout}
     * @param onTooLarge called for each pass, or part of one, that did not fit the device's memory
     */
    GuardedScorer(
            Scorer scorer,
            Duration passTimeout,
            ScheduledExecutorService timer,
            Consumer<ScoringException> onHang,
            Consumer<Pass> onTooLarge) {
        this.scorer = scorer;
        this.passTimeout = passTimeout;
        this.timer = timer;
        this.onHang = onHang;
        this.onTooLarge = onTooLarge;
    }

    /**
     * Starts a pass.
     *
     * @return null when it doesn't fit the device's memory; {@link #await} then scores it in halves
     * @throws ScoringException when the device failed
     */
    @Nullable
    PassHandle start(Pass pass) {
        ScheduledFuture<?> watchdog = watch();
        try {
            return scorer.start(pass);
        } catch (DeviceMemoryException e) {
            LOG.warn("a pass of {} tokens doesn't fit the device's memory: {}", pass.tokens(), e.getMessage());
            return null;
        } finally {
            watchdog.cancel(false);
        }
    }

    /**
     * Waits for the scores of a pass. Without a handle no other pass may be in flight.
     *
     * @param handle what {@link #start} returned
     * @return one score for each candidate, {@link #NO_MEMORY}, or NaN where the network comes to no number
     * @throws ScoringException when the device failed
     */
    float[] await(Pass pass, @Nullable PassHandle handle) {
        float[] scores = new float[pass.candidates()];
        // before anything is answered: the pairs' fault, or the device's?
        if (await(pass, handle, scores, 0) < scores.length && score(CANARY, new float[1], 0) == 0) {
            throw new ScoringException("the device has no score for a candidate, nor for a pass of one token");
        }
        return scores;
    }

    private ScheduledFuture<?> watch() {
        return timer.schedule(
                () -> onHang.accept(ScoringException.hang(
                        "a pass took longer than pass.timeout " + passTimeout + ": the device hangs")),
                passTimeout.toMillis(),
                TimeUnit.MILLISECONDS);
    }

    /** Returns how many were scored. */
    private int score(Pass pass, float[] scores, int from) {
        return await(pass, start(pass), scores, from);
    }

    private int await(Pass pass, @Nullable PassHandle handle, float[] scores, int from) {
        if (handle == null) {
            return scoreHalves(pass, scores, from);
        }
        ScheduledFuture<?> watchdog = watch();
        try {
            float[] part = handle.await();
            if (part.length != pass.candidates()) {
                throw new ScoringException(
                        part.length + " scores for " + pass.candidates() + " candidates; this is a bug");
            }
            int scored = 0;
            for (int i = 0; i < part.length; i++) {
                scores[from + i] = part[i];
                scored += Float.isFinite(part[i]) ? 1 : 0;
            }
            return scored;
        } finally {
            watchdog.cancel(false);
        }
    }

    private int scoreHalves(Pass pass, float[] scores, int from) {
        onTooLarge.accept(pass);
        if (pass.candidates() == 1) {
            scores[from] = NO_MEMORY;
            return 0;
        }
        List<Pass> halves = pass.halves();
        return score(halves.get(0), scores, from)
                + score(halves.get(1), scores, from + halves.get(0).candidates());
    }
}
