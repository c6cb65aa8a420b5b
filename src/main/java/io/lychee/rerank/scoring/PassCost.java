package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Lane;
import java.time.Duration;
import java.util.ArrayDeque;

/** What the passes of the last ten seconds took: who had the device, and what a next pass will cost. */
final class PassCost {

    private static final long WINDOW_NANOS = Duration.ofSeconds(10).toNanos();

    /** Passes vary; one that ends just behind a deadline is lost whole. */
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

    /** Nanoseconds that a pass of so many tokens will hardly exceed; 0 when nothing is known, so that it is tried. */
    long estimate(int passTokens, long now) {
        return (long) (MARGIN * expected(passTokens, now));
    }

    /** Nanoseconds that a pass of so many tokens takes on average; 0 when nothing is known. */
    long expected(int passTokens, long now) {
        forget(now);
        return tokens == 0 ? 0 : (long) ((double) nanos / tokens * passTokens);
    }

    /** Whether backfill had less than its share. */
    boolean backfillIsDue(double share, long now) {
        forget(now);
        return backfillNanos < share * nanos;
    }
}
