package io.lychee.rerank.operator;

import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.scoring.Engine;
import java.util.EnumMap;
import java.util.Map;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;

/**
 * Metrics of one rerank subtask, under {@code <task scope>.rerank}: lists by status, dead letters, candidates, and time
 * by stage in microseconds (sums: divide by lists). Engine gauges are those of the whole JVM. Task thread only.
 */
final class RerankMetrics {

    private final Map<ListStatus, Counter> lists = new EnumMap<>(ListStatus.class);
    private final Counter deadLetters;
    private final Counter candidates;
    private final Counter source;
    private final Counter encode;
    private final Counter queue;
    private final Counter score;

    RerankMetrics(MetricGroup operator, Engine engine) {
        MetricGroup group = operator.addGroup("rerank");
        for (ListStatus status : ListStatus.values()) {
            lists.put(status, group.addGroup("status", status.name()).counter("lists"));
        }
        deadLetters = group.counter("deadLetters");
        candidates = group.counter("candidates");
        source = group.addGroup("stage", "source").counter("latencyMicros");
        encode = group.addGroup("stage", "encode").counter("latencyMicros");
        queue = group.addGroup("stage", "queue").counter("latencyMicros");
        score = group.addGroup("stage", "score").counter("latencyMicros");
        MetricGroup shared = group.addGroup("engine");
        shared.gauge("listsInFlight", () -> engine.stats().listsInFlight());
        shared.gauge("encodedBytes", () -> engine.stats().encodedBytes());
        shared.gauge("passes", () -> engine.stats().passes());
        shared.gauge("pairs", () -> engine.stats().pairs());
        shared.gauge("tokens", () -> engine.stats().tokens());
        shared.gauge("busyMillis", () -> engine.stats().busyNanos() / 1_000_000);
    }

    @SuppressWarnings("NullAway") // the map holds every status
    void answered(RerankedList answer) {
        lists.get(answer.status()).inc();
        candidates.inc(answer.results().size() + answer.leftOut().size());
        source.inc(answer.latency().source());
        encode.inc(answer.latency().encode());
        queue.inc(answer.latency().queue());
        score.inc(answer.latency().score());
    }

    void deadLetter() {
        deadLetters.inc();
    }
}
