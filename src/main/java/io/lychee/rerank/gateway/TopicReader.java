package io.lychee.rerank.gateway;

import io.lychee.rerank.config.RerankConfig;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * All that comes to some topics from now on. Joins no group and commits nothing. For one thread; only {@link #stop} may
 * come from another.
 */
final class TopicReader implements AutoCloseable {

    private static final Duration PATIENCE = Duration.ofSeconds(5);
    private static final Duration POLL = Duration.ofMillis(500);
    private static final long LOOK_NANOS = Duration.ofSeconds(5).toNanos();

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Set<String> topics;
    private long lookedAt = System.nanoTime();

    /** Nothing that is published after this returns is missed. */
    TopicReader(RerankConfig.Kafka kafka, Set<String> topics) {
        Properties properties = new Properties();
        properties.setProperty(
                ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG,
                Integer.toString(Math.max(1 << 20, kafka.maxRecordBytes())));
        properties.setProperty(ConsumerConfig.METADATA_MAX_AGE_CONFIG, "30000");
        properties.putAll(kafka.properties());
        properties.setProperty(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, kafka.bootstrapServers());
        properties.setProperty(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
        this.topics = topics;
        this.consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        try {
            List<TopicPartition> partitions = partitions();
            consumer.assign(partitions);
            consumer.seekToEnd(partitions);
            // seeks are lazy
            partitions.forEach(partition -> consumer.position(partition, PATIENCE));
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /**
     * Waits a little for records. Now and then it looks for new partitions, and whether the broker is there.
     *
     * @throws org.apache.kafka.common.KafkaException when the broker doesn't answer
     */
    ConsumerRecords<byte[], byte[]> poll() {
        if (System.nanoTime() - lookedAt > LOOK_NANOS) {
            List<TopicPartition> now = partitions();
            consumer.endOffsets(now, PATIENCE);
            List<TopicPartition> added = new ArrayList<>(now);
            added.removeAll(consumer.assignment());
            if (!added.isEmpty()) {
                consumer.assign(now);
                // it was empty when we last looked
                consumer.seekToBeginning(added);
            }
            lookedAt = System.nanoTime();
        }
        return consumer.poll(POLL);
    }

    /** Ends {@link #poll} with a WakeupException, from any thread. */
    void stop() {
        consumer.wakeup();
    }

    @Override
    public void close() {
        consumer.close(CloseOptions.timeout(PATIENCE));
    }

    private List<TopicPartition> partitions() {
        return topics.stream()
                .flatMap(topic -> consumer.partitionsFor(topic, PATIENCE).stream())
                .map(partition -> new TopicPartition(partition.topic(), partition.partition()))
                .toList();
    }
}
