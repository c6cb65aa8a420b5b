package io.lychee.rerank.kafka;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Locates a record that exhausts the heap when Kafka's client inflates its batch. */
record UnreadableRecord(TopicPartition partition, long offset) {

    private static final Duration POLL = Duration.ofSeconds(1);

    /** Records read of each partition, from the position where the failing fetch began. */
    private static final int MOST_RECORDS = 10_000;

    /**
     * Names the record that does not fit the heap once Kafka's client has inflated it, which no setting of the client
     * bounds.
     *
     * @param positions where each partition is read next
     * @return {@code failure}, where that is something else
     */
    static RuntimeException explained(
            RuntimeException failure, RerankConfig.Kafka kafka, Map<TopicPartition, Long> positions) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof OutOfMemoryError) {
                return find(kafka, positions)
                        .<RuntimeException>map(record ->
                                new SuppressRestartsException(new ConfigException(record.message(kafka), failure)))
                        .orElse(failure);
            }
        }
        return failure;
    }

    /** Reads the partitions one record at a time, until one exhausts the heap again. */
    private static Optional<UnreadableRecord> find(RerankConfig.Kafka kafka, Map<TopicPartition, Long> positions) {
        Properties properties = KafkaSources.consumer(kafka, IsolationLevel.READ_COMMITTED);
        properties.setProperty(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, "1");
        for (var position : positions.entrySet()) {
            try (var consumer =
                    new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                consumer.assign(List.of(position.getKey()));
                consumer.seek(position.getKey(), position.getValue());
                try {
                    int read = 0;
                    while (read < MOST_RECORDS && !consumer.poll(POLL).isEmpty()) {
                        read++;
                    }
                } catch (OutOfMemoryError e) {
                    return Optional.of(new UnreadableRecord(position.getKey(), consumer.position(position.getKey())));
                }
            }
        }
        return Optional.empty();
    }

    /** Names the record, and the commands that skip it. */
    private String message(RerankConfig.Kafka kafka) {
        return ("the record at topic %s, partition %d, offset %d does not fit the heap once it is inflated;"
                        + " expected a larger heap, or to skip it:"
                        + "%n  kafka-consumer-groups.sh --bootstrap-server %s --group %s --topic %s:%d --reset-offsets"
                        + " --to-offset %d --execute"
                        + "%nand a start without checkpoint (./lychee job --restart)")
                .formatted(
                        partition.topic(),
                        partition.partition(),
                        offset,
                        kafka.bootstrapServers(),
                        kafka.groupId(),
                        partition.topic(),
                        partition.partition(),
                        offset + 1);
    }
}
