package io.lychee.rerank.kafka;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Lane;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.KafkaSourceBuilder;
import org.apache.flink.connector.kafka.source.KafkaSourceOptions;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;

/** Builds the source of each lane's lists. */
public final class KafkaSources {

    private static final int DEFAULT_FETCH_BYTES = 1024 * 1024;
    private static final int MAX_POLL_RECORDS = 32;

    private KafkaSources() {}

    /** Reads the lane's topic without end. */
    public static Source<SourceRecord, ?, ?> lists(RerankConfig config, Lane lane) {
        KafkaSource<SourceRecord> source = builder(config.kafka(), lane, false).build();
        return new TrackedSource<>(source, config, lane, config.kafka(), source::restoreEnumerator);
    }

    /** Reads the lane's topic up to these offsets. */
    public static Source<SourceRecord, ?, ?> boundedLists(
            RerankConfig config, Lane lane, Map<TopicPartition, Long> ends) {
        KafkaSource<SourceRecord> source = builder(config.kafka(), lane, true)
                .setBounded(OffsetsInitializer.offsets(ends))
                .build();
        return new TrackedSource<>(
                source,
                config,
                lane,
                config.kafka(),
                (context, state) -> state.initialDiscoveryFinished()
                        ? new BoundedEnumerator(context, state)
                        : source.restoreEnumerator(context, state));
    }

    private static KafkaSourceBuilder<SourceRecord> builder(RerankConfig.Kafka kafka, Lane lane, boolean bounded) {
        Properties properties = consumer(kafka, IsolationLevel.READ_COMMITTED);
        // records that the source holds ahead no longer count as waiting
        properties.putIfAbsent(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, Integer.toString(MAX_POLL_RECORDS));
        // the connector commits what is read, and lists in flight are not answered
        properties.setProperty(KafkaSourceOptions.COMMIT_OFFSETS_ON_CHECKPOINT.key(), "false");
        return KafkaSource.<SourceRecord>builder()
                .setProperties(properties)
                .setGroupId(kafka.groupId())
                .setClientIdPrefix(kafka.groupId() + "-" + lane.name().toLowerCase(Locale.ROOT))
                .setTopics(topic(kafka, lane))
                .setStartingOffsets(new StartOffsets(kafka, bounded))
                .setDeserializer(new SourceRecordDeserializer(lane, kafka.maxRecordBytes()));
    }

    /** Sets a fetch that holds the largest record in one piece; larger records still come, one at a time. */
    static Properties consumer(RerankConfig.Kafka kafka, IsolationLevel isolation) {
        Properties properties = new Properties();
        properties.setProperty(
                ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG,
                Integer.toString(Math.max(DEFAULT_FETCH_BYTES, kafka.maxRecordBytes())));
        properties.setProperty(ConsumerConfig.ISOLATION_LEVEL_CONFIG, isolation.toString());
        properties.putAll(kafka.properties());
        properties.setProperty(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, kafka.bootstrapServers());
        return properties;
    }

    /** Returns the topic of a lane's lists. */
    public static String topic(RerankConfig.Kafka kafka, Lane lane) {
        return lane == Lane.REALTIME ? kafka.requestsTopic() : kafka.backfillTopic();
    }
}
