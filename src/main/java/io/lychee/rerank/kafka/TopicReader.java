package io.lychee.rerank.kafka;

import io.lychee.rerank.config.RerankConfig;
import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads topics from their beginning or their current end, without a consumer group. Every 5 s it asks the broker for
 * the partitions' ends, off the reading thread: new partitions join, and a lost broker is noticed. For one thread; only
 * {@link #stop} may come from another.
 */
public final class TopicReader implements AutoCloseable {

    /** Start position in existing partitions; new partitions are read from their beginning. */
    public enum From {
        BEGINNING,
        END
    }

    private static final Duration PERIOD = Duration.ofSeconds(5);

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Admin admin;
    private final Set<String> topics;
    private final IsolationLevel isolation;
    private CompletableFuture<Map<TopicPartition, ListOffsetsResultInfo>> ends;
    private long askedAt;

    /**
     * Returns when the start of each partition is fixed, so that nothing published later is missed.
     *
     * @throws KafkaException when the broker does not answer within 10 s or has not all topics
     */
    public TopicReader(RerankConfig.Kafka kafka, Set<String> topics, From from, IsolationLevel isolation) {
        this.topics = topics;
        this.isolation = isolation;
        var properties = KafkaSources.consumer(kafka, isolation);
        properties.setProperty(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
        admin = TopicAdmin.open(kafka, PERIOD);
        consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        ends = askEnds();
        try {
            Map<TopicPartition, ListOffsetsResultInfo> now = await(ends);
            consumer.assign(now.keySet());
            if (from == From.BEGINNING) {
                consumer.seekToBeginning(now.keySet());
            } else {
                now.forEach((partition, end) -> consumer.seek(partition, end.offset()));
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /**
     * Waits for records up to {@code timeout}.
     *
     * @throws org.apache.kafka.common.errors.WakeupException after {@link #stop}
     */
    public ConsumerRecords<byte[], byte[]> poll(Duration timeout) {
        if (ends.isDone()) {
            if (!ends.isCompletedExceptionally()) {
                addPartitions(ends.join().keySet());
            }
            if (System.nanoTime() - askedAt > PERIOD.toNanos()) {
                ends = askEnds();
            }
        }
        return consumer.poll(timeout);
    }

    /** Throws a {@link KafkaException} when the broker did not answer the last time it was asked. */
    public void requireBroker() {
        if (ends.isCompletedExceptionally()) {
            await(ends);
        }
    }

    /** Ends {@link #poll} with a WakeupException, from any thread. */
    public void stop() {
        consumer.wakeup();
    }

    @Override
    public void close() {
        consumer.close(CloseOptions.timeout(PERIOD));
        admin.close(Duration.ZERO);
    }

    private void addPartitions(Set<TopicPartition> now) {
        Set<TopicPartition> added = new HashSet<>(now);
        added.removeAll(consumer.assignment());
        if (!added.isEmpty()) {
            Set<TopicPartition> all = new HashSet<>(consumer.assignment());
            all.addAll(added);
            consumer.assign(all);
            // they did not exist the last time
            consumer.seekToBeginning(added);
        }
    }

    private CompletableFuture<Map<TopicPartition, ListOffsetsResultInfo>> askEnds() {
        askedAt = System.nanoTime();
        return admin.describeTopics(topics)
                .allTopicNames()
                .toCompletionStage()
                .thenCompose(described -> admin.listOffsets(
                                described.values().stream()
                                        .flatMap(topic -> topic.partitions().stream()
                                                .map(p -> new TopicPartition(topic.name(), p.partition())))
                                        .collect(Collectors.toMap(p -> p, p -> OffsetSpec.latest())),
                                new ListOffsetsOptions(isolation))
                        .all()
                        .toCompletionStage())
                .toCompletableFuture();
    }

    private static <T> T await(CompletableFuture<T> asked) {
        try {
            return asked.get();
        } catch (InterruptedException e) {
            throw new InterruptException(e);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof KafkaException cause ? cause : new KafkaException(e);
        }
    }
}
