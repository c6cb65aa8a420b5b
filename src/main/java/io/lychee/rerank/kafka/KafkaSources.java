package io.lychee.rerank.kafka;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions.StartingOffsets;
import io.lychee.rerank.domain.Lane;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.KafkaSourceBuilder;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.kafka.common.TopicPartition;

/** Where lists come from: one source for each lane. */
public final class KafkaSources {

    private static final int DEFAULT_FETCH_BYTES = 1024 * 1024;
    private static final int MAX_POLL_RECORDS = 32;

    private KafkaSources() {}

    /** The lane's topic, without end. */
    public static KafkaSource<SourceRecord> lists(RerankConfig.Kafka kafka, Lane lane) {
        return builder(kafka, lane).build();
    }

    /** The lane's topic up to these offsets. */
    public static Source<SourceRecord, ?, ?> boundedLists(
            RerankConfig.Kafka kafka, Lane lane, Map<TopicPartition, Long> ends) {
        return new BoundedSource(builder(kafka, lane)
                .setBounded(OffsetsInitializer.offsets(ends))
                .build());
    }

    private static KafkaSourceBuilder<SourceRecord> builder(RerankConfig.Kafka kafka, Lane lane) {
        Properties properties = new Properties();
        // a record of the largest size in one fetch; larger ones still come, one at a time
        properties.setProperty(
                ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG,
                Integer.toString(Math.max(DEFAULT_FETCH_BYTES, kafka.maxRecordBytes())));
        // what a failed transaction left behind was never said
        properties.setProperty(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        // what the source holds ahead is not counted as waiting any more
        properties.setProperty(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, Integer.toString(MAX_POLL_RECORDS));
        properties.putAll(kafka.properties());
        return KafkaSource.<SourceRecord>builder()
                .setProperties(properties)
                .setBootstrapServers(kafka.bootstrapServers())
                .setGroupId(kafka.groupId())
                .setClientIdPrefix(kafka.groupId() + "-" + lane.name().toLowerCase(Locale.ROOT))
                .setTopics(topic(kafka, lane))
                .setStartingOffsets(start(kafka.startingOffsets()))
                .setDeserializer(new SourceRecordDeserializer(lane, kafka.maxRecordBytes()));
    }

    static String topic(RerankConfig.Kafka kafka, Lane lane) {
        return lane == Lane.REALTIME ? kafka.requestsTopic() : kafka.backfillTopic();
    }

    @SuppressWarnings("deprecation") // the connector asks for Kafka's old enum
    private static OffsetsInitializer start(StartingOffsets offsets) {
        return switch (offsets) {
            case COMMITTED -> OffsetsInitializer.committedOffsets(OffsetResetStrategy.EARLIEST);
            case EARLIEST -> OffsetsInitializer.earliest();
            case LATEST -> OffsetsInitializer.latest();
        };
    }
}
