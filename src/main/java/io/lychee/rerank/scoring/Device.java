package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.ModelInfo;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The scorer with what keeps it honest: a watchdog for passes that hang, halves for passes that don't fit the memory,
 * and a canary that tells a broken device from candidates that are all too large. For the device thread.
 */
final class Device {

    private static final Logger LOG = LoggerFactory.getLogger(Device.class);

    /** So many passes in a row without one score, and then not even the canary's, mean a broken device. */
    private static final int FRUITLESS_PASSES = 3;

    private static final Segment TOKEN = new Segment(new int[] {0}, List.of(), 0, false);
    private static final Pass CANARY = new Pass(List.of(new Pass.Group(TOKEN, List.of(TOKEN))));

    private final Scorer scorer;
    private final Duration passTimeout;
    private final ScheduledExecutorService timer;
    private final Consumer<ScoringException> onHang;
    private final Consumer<Pass> onTooLarge;
    private int fruitless;

    /**
     * @param onHang called on the timer's thread when a pass takes longer than {@code passTimeout}
     * @param onTooLarge called for each pass, or part of one, that did not fit the device's memory
     */
    Device(
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

    ModelInfo model() {
        return scorer.model();
    }

    /**
     * Scores a pass, in halves where the device's memory asks for it.
     *
     * @return one score for each candidate; NaN for what doesn't fit even alone
     * @throws ScoringException when the device failed
     */
    float[] score(Pass pass) {
        float[] scores = new float[pass.candidates()];
        boolean any = score(pass, scores, 0) > 0;
        fruitless = any ? 0 : fruitless + 1;
        if (fruitless == FRUITLESS_PASSES) {
            // not the device's fault where only these pairs were too large
            if (score(CANARY, new float[1], 0) == 0) {
                throw new ScoringException(fruitless + " passes in a row gave no score");
            }
            fruitless = 0;
        }
        return scores;
    }

    /** @return how many were scored */
    private int score(Pass pass, float[] scores, int from) {
        ScheduledFuture<?> watchdog = timer.schedule(
                () -> onHang.accept(new ScoringException(
                        "a pass took longer than pass.timeout " + passTimeout + ": the device hangs")),
                passTimeout.toMillis(),
                TimeUnit.MILLISECONDS);
        try {
            float[] part = scorer.score(pass);
            if (part.length != pass.candidates()) {
                throw new ScoringException(
                        part.length + " scores for " + pass.candidates() + " candidates; this is a bug");
            }
            System.arraycopy(part, 0, scores, from, part.length);
            return part.length;
        } catch (DeviceMemoryException e) {
            LOG.warn("a pass of {} tokens doesn't fit the device's memory: {}", pass.tokens(), e.getMessage());
        } finally {
            watchdog.cancel(false);
        }
        onTooLarge.accept(pass);
        if (pass.candidates() == 1) {
            scores[from] = Float.NaN;
            return 0;
        }
        List<Pass> halves = pass.halves();
        return score(halves.get(0), scores, from)
                + score(halves.get(1), scores, from + halves.get(0).candidates());
    }
}
