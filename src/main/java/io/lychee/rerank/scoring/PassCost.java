package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Lane;
import java.time.Duration;
import java.util.ArrayDeque;

/** Estimates the cost of a pass, and shares of the lanes, from the passes of the last ten seconds. */
final class PassCost {

    private static final long WINDOW_NANOS = Duration.ofSeconds(10).toNanos();

    /** Safety margin of an estimate: a pass that ends just behind a deadline is lost whole. */
    private static final double MARGIN = 1.25;

    private record Spent(Lane lane, int tokens, long nanos, long end) {}

    private final ArrayDeque<Spent> window = new ArrayDeque<>();
    private long tokens;
    private long nanos;
    private long backfillNanos;

    void spent(Lane lane, int passTokens, long passNanos, long now) {
        Spent spent = new Spent(lane, passTokens, passNanos, now);
        window.add(spent);
        count(spent, 1);
    }

    private void count(Spent spent, int sign) {
        tokens += sign * (long) spent.tokens;
        nanos += sign * spent.nanos;
        backfillNanos += spent.lane == Lane.BACKFILL ? sign * spent.nanos : 0;
    }

    private void forget(long now) {
        while (!window.isEmpty() && window.getFirst().end < now - WINDOW_NANOS) {
            count(window.removeFirst(), -1);
        }
    }

    /** Returns nanoseconds that a pass will hardly exceed; 0 when nothing is known, so that it is tried. */
    long estimate(int passTokens, long now) {
        return (long) (MARGIN * expected(passTokens, now));
    }

    /** Returns nanoseconds that a pass takes on average; 0 when nothing is known. */
    long expected(int passTokens, long now) {
        forget(now);
        return tokens == 0 ? 0 : (long) ((double) nanos / tokens * passTokens);
    }

    /** Returns whether backfill had less than its share. */
    boolean backfillIsDue(double share, long now) {
        forget(now);
        return backfillNanos < share * nanos;
    }
}
