package io.lychee.rerank.operator;

import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.wire.DeadLetterReason;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongSupplier;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.MetricGroup;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Counts the metrics of one rerank subtask; {@link RerankMetric} defines them. Task thread only. */
final class RerankMetrics {

    private static final Logger LOG = LoggerFactory.getLogger(RerankMetrics.class);

    private final MetricGroup root;

    private final Map<ListStatus, Counter> lists = new EnumMap<>(ListStatus.class);
    private final Counter candidates;
    private final Map<Reason, Counter> unscored = new EnumMap<>(Reason.class);
    private final Counter deadlineMisses;
    private final Map<DeadLetterReason, Counter> deadLetters = new EnumMap<>(DeadLetterReason.class);
    private final Counter implausibleTimestamps;
    private final LatencyBuckets totalLatency;
    private final LatencyBuckets scoreLatency;
    private final Counter source;
    private final Counter encode;
    private final Counter queue;
    private final Counter score;

    /**
     * @param unknownFields counts them for this subtask
     * @param inFlightBytes of this subtask
     */
    RerankMetrics(
            MetricGroup operator,
            Lane ofLane,
            List<Engine> engines,
            LongSupplier unknownFields,
            LongSupplier inFlightBytes) {
        root = operator.addGroup(RerankMetric.GROUP);
        String lane = ofLane.name().toLowerCase(Locale.ROOT);
        for (ListStatus status : ListStatus.values()) {
            lists.put(status, counter(RerankMetric.LISTS, lane, status.name()));
        }
        candidates = counter(RerankMetric.CANDIDATES, lane);
        for (Reason reason : Reason.values()) {
            unscored.put(reason, counter(RerankMetric.UNSCORED, lane, reason.name()));
        }
        deadlineMisses = counter(RerankMetric.DEADLINE_MISSES, lane);
        for (DeadLetterReason reason : DeadLetterReason.values()) {
            deadLetters.put(reason, counter(RerankMetric.DEAD_LETTERS, lane, reason.name()));
        }
        implausibleTimestamps = counter(RerankMetric.IMPLAUSIBLE_TIMESTAMPS, lane);
        totalLatency = new LatencyBuckets(le -> counter(RerankMetric.LATENCY_TOTAL, lane, le));
        scoreLatency = new LatencyBuckets(le -> counter(RerankMetric.LATENCY_SCORE, lane, le));
        source = counter(RerankMetric.LATENCY_STAGE, lane, "source");
        encode = counter(RerankMetric.LATENCY_STAGE, lane, "encode");
        queue = counter(RerankMetric.LATENCY_STAGE, lane, "queue");
        score = counter(RerankMetric.LATENCY_STAGE, lane, "score");
        gauge(RerankMetric.UNKNOWN_FIELDS, unknownFields, lane);
        gauge(RerankMetric.IN_FLIGHT_BYTES, inFlightBytes, lane);
        gauge(RerankMetric.ENGINE_DEATHS, EngineRegistry::deaths);
        engines.forEach(engine -> engineGauges(engine, ofLane, lane));
    }

    private void engineGauges(Engine engine, Lane ofLane, String lane) {
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

    private Counter counter(RerankMetric metric, String... labels) {
        return group(metric, labels).counter(metric.metric);
    }

    private void gauge(RerankMetric metric, LongSupplier value, String... labels) {
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
    void answered(RerankedList answer) {
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

    /** Counts, and warns the first time. */
    void implausibleTimestamp(SourceRecord record) {
        if (implausibleTimestamps.getCount() == 0) {
            LOG.warn(
                    "{} has the timestamp {}; expected milliseconds since 1970. It is answered as if "
                            + "it had none, and so"
                            + " are later ones, which {} counts",
                    record,
                    record.timestamp,
                    RerankMetric.IMPLAUSIBLE_TIMESTAMPS.metric);
        }
        implausibleTimestamps.inc();
    }

    @SuppressWarnings("NullAway") // the map holds every reason
    void deadLetter(DeadLetterReason reason) {
        deadLetters.get(reason).inc();
    }
}
