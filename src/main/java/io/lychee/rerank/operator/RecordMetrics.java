package io.lychee.rerank.operator;

import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.task.ListMetrics;
import io.lychee.rerank.task.RerankMetric;
import io.lychee.rerank.wire.DeadLetterReason;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongSupplier;
import org.apache.flink.metrics.Counter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Counts what is wrong with the records of one rerank subtask, and what is in flight. Task thread only. */
final class RecordMetrics {

    private static final Logger LOG = LoggerFactory.getLogger(RecordMetrics.class);

    private final Map<DeadLetterReason, Counter> deadLetters = new EnumMap<>(DeadLetterReason.class);
    private final Counter implausibleTimestamps;

    /**
     * @param unknownFields counts them for this subtask
     * @param inFlightBytes of this subtask
     */
    RecordMetrics(ListMetrics metrics, Lane ofLane, LongSupplier unknownFields, LongSupplier inFlightBytes) {
        String lane = ofLane.name().toLowerCase(Locale.ROOT);
        for (DeadLetterReason reason : DeadLetterReason.values()) {
            deadLetters.put(reason, metrics.counter(RerankMetric.DEAD_LETTERS, lane, reason.name()));
        }
        implausibleTimestamps = metrics.counter(RerankMetric.IMPLAUSIBLE_TIMESTAMPS, lane);
        metrics.gauge(RerankMetric.UNKNOWN_FIELDS, unknownFields, lane);
        metrics.gauge(RerankMetric.IN_FLIGHT_BYTES, inFlightBytes, lane);
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
