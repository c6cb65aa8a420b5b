package io.lychee.rerank.task;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.apache.flink.metrics.Counter;

/**
 * Counts latencies in cumulative buckets, for Prometheus' {@code histogram_quantile}: unlike quantiles, they add up
 * across subtasks. Bounds are whole microseconds and {@code Inf}, because Flink's reporter replaces every point and
 * plus in a label. Task thread only.
 */
final class LatencyBuckets {

    private static final long FIRST = 1_000;
    private static final long LAST = 120_000_000;
    private static final double RATIO = 1.2;

    /** Bounds in microseconds, ascending; one more bucket counts all. */
    static final List<Long> BOUNDS = bounds();

    private final List<Counter> counters = new ArrayList<>();

    /** @param register makes the counter of a bound */
    LatencyBuckets(Function<String, Counter> register) {
        BOUNDS.forEach(bound -> counters.add(register.apply(bound.toString())));
        counters.add(register.apply("Inf"));
    }

    private static List<Long> bounds() {
        List<Long> bounds = new ArrayList<>();
        for (double bound = FIRST; bound < LAST; bound *= RATIO) {
            bounds.add(Math.round(bound));
        }
        bounds.add(LAST);
        return List.copyOf(bounds);
    }

    void add(long micros) {
        for (int i = BOUNDS.size(); i >= 0 && (i == BOUNDS.size() || micros <= BOUNDS.get(i)); i--) {
            counters.get(i).inc();
        }
    }
}
