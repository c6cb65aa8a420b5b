package io.lychee.rerank.operator;

import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.scoring.Engine;
import java.util.EnumMap;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;

/**
 * Metrics of one rerank subtask, under {@code <task scope>.rerank}: lists by status, dead letters, candidates, those
 * without a score by reason, and time by stage in microseconds (sums: divide by lists). Engine gauges are those of the
 * whole JVM. Task thread only.
 */
final class RerankMetrics {

    private final Map<ListStatus, Counter> lists = new EnumMap<>(ListStatus.class);
    private final Counter deadLetters;
    private final Counter candidates;
    /** Candidates that have no score, by reason. */
    private final Map<Reason, Counter> unscored = new EnumMap<>(Reason.class);

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
        for (Reason reason : Reason.values()) {
            unscored.put(reason, group.addGroup("reason", reason.name()).counter("unscoredCandidates"));
        }
        source = group.addGroup("stage", "source").counter("latencyMicros");
        encode = group.addGroup("stage", "encode").counter("latencyMicros");
        queue = group.addGroup("stage", "queue").counter("latencyMicros");
        score = group.addGroup("stage", "score").counter("latencyMicros");
        MetricGroup shared = group.addGroup("engine");
        shared.gauge("listsInFlight", () -> engine.stats().listsInFlight());
        shared.gauge("encodedBytes", () -> engine.stats().encodedBytes());
        shared.gauge("passMaxTokens", () -> engine.stats().passTokens());
        shared.gauge("outOfMemory", () -> engine.stats().memoryFailures());
        shared.gauge("passes", () -> engine.stats().passes());
        shared.gauge("pairs", () -> engine.stats().pairs());
        shared.gauge("tokens", () -> engine.stats().tokens());
        shared.gauge("busyMillis", () -> engine.stats().busyNanos() / 1_000_000);
    }

    @SuppressWarnings("NullAway") // the maps hold every status and reason
    void answered(RerankedList answer) {
        lists.get(answer.status()).inc();
        candidates.inc(answer.results().size() + answer.leftOut().size());
        Stream.concat(answer.results().stream(), answer.leftOut().stream())
                .filter(candidate -> candidate.score() == null && candidate.reason() != null)
                .forEach(candidate -> unscored.get(candidate.reason()).inc());
        source.inc(answer.latency().source());
        encode.inc(answer.latency().encode());
        queue.inc(answer.latency().queue());
        score.inc(answer.latency().score());
    }

    void deadLetter() {
        deadLetters.inc();
    }
}
