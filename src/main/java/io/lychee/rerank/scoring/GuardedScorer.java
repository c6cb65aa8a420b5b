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
 * The scorer with what keeps it honest: a watchdog for passes that hang, halves for passes that don't fit the memory,
 * and a canary that tells a broken device from candidates that are all too large. Passes are started by the device
 * thread; one thread at a time awaits them.
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

    /** A pass that the device has, or that it had no memory for. */
    final class Running {

        private final Pass pass;
        private final Scorer.@Nullable Started started;

        private Running(Pass pass, Scorer.@Nullable Started started) {
            this.pass = pass;
            this.started = started;
        }

        /** Whether the device works on it beside the caller. */
        boolean isRunning() {
            return started != null && started.isRunning();
        }

        /** For each group of the pass how many of its images needed no vision tower. */
        int[] imageHits() {
            return started == null ? new int[0] : started.imageHits();
        }

        /**
         * Waits for the scores; where the device's memory asks for it, scores the pass in halves instead, for which no
         * other pass may be running.
         *
         * @return one score for each candidate, {@link #NO_MEMORY}, or NaN where the network comes to no number
         * @throws ScoringException when the device failed
         */
        float[] await() {
            float[] scores = new float[pass.candidates()];
            int scored = started == null ? scoreHalves(pass, scores, 0) : waitFor(started, pass, scores, 0);
            // before anything is answered: the pairs' fault, or the device's?
            if (scored < scores.length && score(CANARY, new float[1], 0) == 0) {
                throw new ScoringException("the device has no score for a candidate, nor for a pass of one token");
            }
            return scores;
        }
    }

    /** @throws ScoringException when the device failed */
    Running start(Pass pass) {
        return new Running(pass, tryStart(pass));
    }

    /** @return null when it doesn't fit the memory */
    private Scorer.@Nullable Started tryStart(Pass pass) {
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

    private ScheduledFuture<?> watch() {
        return timer.schedule(
                () -> onHang.accept(ScoringException.hang(
                        "a pass took longer than pass.timeout " + passTimeout + ": the device hangs")),
                passTimeout.toMillis(),
                TimeUnit.MILLISECONDS);
    }

    /** @return how many were scored */
    private int score(Pass pass, float[] scores, int from) {
        Scorer.Started started = tryStart(pass);
        return started == null ? scoreHalves(pass, scores, from) : waitFor(started, pass, scores, from);
    }

    private int waitFor(Scorer.Started started, Pass pass, float[] scores, int from) {
        ScheduledFuture<?> watchdog = watch();
        try {
            float[] part = started.await();
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
