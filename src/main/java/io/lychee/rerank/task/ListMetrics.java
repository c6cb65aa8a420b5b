package io.lychee.rerank.task;

import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineRegistry;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongSupplier;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.MetricGroup;

/**
 * Counts answered lists of one subtask and shows its engines; {@link RerankMetric} defines the metrics. Thread-safe.
 */
public final class ListMetrics {

    private final MetricGroup root;
    private final String lane;

    private final Map<ListStatus, Counter> lists = new EnumMap<>(ListStatus.class);
    private final Counter candidates;
    private final Map<Reason, Counter> unscored = new EnumMap<>(Reason.class);
    private final Counter deadlineMisses;
    private final LatencyBuckets totalLatency;
    private final LatencyBuckets scoreLatency;
    private final Counter source;
    private final Counter encode;
    private final Counter queue;
    private final Counter score;

    /** @param engines those that the subtask leases */
    public ListMetrics(MetricGroup operator, Lane ofLane, List<Engine> engines) {
        root = operator.addGroup(RerankMetric.GROUP);
        lane = ofLane.name().toLowerCase(Locale.ROOT);
        for (ListStatus status : ListStatus.values()) {
            lists.put(status, counter(RerankMetric.LISTS, lane, status.name()));
        }
        candidates = counter(RerankMetric.CANDIDATES, lane);
        for (Reason reason : Reason.values()) {
            unscored.put(reason, counter(RerankMetric.UNSCORED, lane, reason.name()));
        }
        deadlineMisses = counter(RerankMetric.DEADLINE_MISSES, lane);
        totalLatency = new LatencyBuckets(le -> counter(RerankMetric.LATENCY_TOTAL, lane, le));
        scoreLatency = new LatencyBuckets(le -> counter(RerankMetric.LATENCY_SCORE, lane, le));
        source = counter(RerankMetric.LATENCY_STAGE, lane, "source");
        encode = counter(RerankMetric.LATENCY_STAGE, lane, "encode");
        queue = counter(RerankMetric.LATENCY_STAGE, lane, "queue");
        score = counter(RerankMetric.LATENCY_STAGE, lane, "score");
        gauge(RerankMetric.ENGINE_DEATHS, EngineRegistry::deaths);
        engines.forEach(engine -> engineGauges(engine, ofLane));
    }

    private void engineGauges(Engine engine, Lane ofLane) {
        for (RerankMetric metric : RerankMetric.values()) {
            var value = metric.value;
            if (value != null) {
                gauge(
                        metric,
                        () -> value.applyAsLong(engine, ofLane),
                        metric.labels.stream()
                                .map(label -> label.equals("lane") ? lane : engine.device())
                                .toArray(String[]::new));
            }
        }
    }

    /** Registers a counter that its caller counts. */
    public Counter counter(RerankMetric metric, String... labels) {
        return group(metric, labels).counter(metric.metric);
    }

    /** Registers a gauge; any thread may read it. */
    public void gauge(RerankMetric metric, LongSupplier value, String... labels) {
        Gauge<Long> unused = group(metric, labels).gauge(metric.metric, value::getAsLong);
    }

    private MetricGroup group(RerankMetric metric, String... labels) {
        MetricGroup group = root;
        for (int i = 0; i < metric.labels.size(); i++) {
            group = group.addGroup(metric.labels.get(i), labels[i]);
        }
        return group;
    }

    @SuppressWarnings("NullAway") // the maps hold every status and reason
    public synchronized void answered(RerankedList answer) {
        lists.get(answer.status()).inc();
        candidates.inc(answer.results().size() + answer.leftOut().size());
        answer.all()
                .filter(candidate -> candidate.score() == null && candidate.reason() != null)
                .forEach(candidate -> unscored.get(candidate.reason()).inc());
        if (answer.reason() == Reason.DEADLINE) {
            deadlineMisses.inc();
        }
        totalLatency.add(answer.latency().total());
        scoreLatency.add(answer.latency().score());
        source.inc(answer.latency().source());
        encode.inc(answer.latency().encode());
        queue.inc(answer.latency().queue());
        score.inc(answer.latency().score());
    }
}
