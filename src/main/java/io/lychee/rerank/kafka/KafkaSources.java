package io.lychee.rerank.kafka;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.StartingOffsets;
import io.lychee.rerank.domain.Lane;
import java.util.Collection;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.KafkaSourceBuilder;
import org.apache.flink.connector.kafka.source.KafkaSourceOptions;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;

/** Builds the source of each lane's lists. */
public final class KafkaSources {

    private static final int DEFAULT_FETCH_BYTES = 1024 * 1024;
    private static final int MAX_POLL_RECORDS = 32;

    private KafkaSources() {}

    /** Reads the lane's topic without end. */
    public static Source<SourceRecord, ?, ?> lists(RerankConfig config, Lane lane) {
        OffsetCommits commits = new OffsetCommits(config.kafka(), topic(config.kafka(), lane), false);
        KafkaSource<SourceRecord> source = builder(config.kafka(), lane).build();
        return new TrackedSource<>(source, config, lane, commits, source::restoreEnumerator);
    }

    /** Reads the lane's topic up to these offsets. */
    public static Source<SourceRecord, ?, ?> boundedLists(
            RerankConfig config, Lane lane, Map<TopicPartition, Long> ends) {
        OffsetCommits commits = new OffsetCommits(config.kafka(), topic(config.kafka(), lane), true);
        KafkaSource<SourceRecord> source = builder(config.kafka(), lane)
                .setBounded(OffsetsInitializer.offsets(ends))
                .build();
        return new TrackedSource<>(
                source,
                config,
                lane,
                commits,
                (context, state) -> state.initialDiscoveryFinished()
                        ? new BoundedEnumerator(context, state)
                        : source.restoreEnumerator(context, state));
    }

    private static KafkaSourceBuilder<SourceRecord> builder(RerankConfig.Kafka kafka, Lane lane) {
        Properties properties = consumer(kafka, IsolationLevel.READ_COMMITTED);
        // records that the source holds ahead no longer count as waiting
        properties.putIfAbsent(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, Integer.toString(MAX_POLL_RECORDS));
        // the connector commits what is read, and lists in flight are not answered
        properties.setProperty(KafkaSourceOptions.COMMIT_OFFSETS_ON_CHECKPOINT.key(), "false");
        return KafkaSource.<SourceRecord>builder()
                .setProperties(properties)
                .setBootstrapServers(kafka.bootstrapServers())
                .setGroupId(kafka.groupId())
                .setClientIdPrefix(kafka.groupId() + "-" + lane.name().toLowerCase(Locale.ROOT))
                .setTopics(topic(kafka, lane))
                .setStartingOffsets(new StartOffsets(kafka.startingOffsets()))
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
        return properties;
    }

    /** Returns the topic of a lane's lists. */
    public static String topic(RerankConfig.Kafka kafka, Lane lane) {
        return lane == Lane.REALTIME ? kafka.requestsTopic() : kafka.backfillTopic();
    }

    /** Resolves where a start without a checkpoint begins, so that each partition has an offset to commit at once. */
    private record StartOffsets(StartingOffsets from) implements OffsetsInitializer {

        @Override
        public Map<TopicPartition, Long> getPartitionOffsets(
                Collection<TopicPartition> partitions, PartitionOffsetsRetriever offsets) {
            Map<TopicPartition, Long> start = new HashMap<>(
                    from == StartingOffsets.LATEST
                            ? offsets.endOffsets(partitions)
                            : offsets.beginningOffsets(partitions));
            if (from == StartingOffsets.COMMITTED) {
                start.putAll(offsets.committedOffsets(partitions));
            }
            return start;
        }

        @Override
        @SuppressWarnings("deprecation") // the connector asks for Kafka's old enum
        public OffsetResetStrategy getAutoOffsetResetStrategy() {
            return from == StartingOffsets.LATEST ? OffsetResetStrategy.LATEST : OffsetResetStrategy.EARLIEST;
        }
    }
}
