package io.lychee.rerank.kafka;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.StartingOffsets;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/**
 * Creates and deletes topics, and reads and commits the group's offsets. Each call opens a client of its own; each
 * request ends within the timeout, with a {@link ConfigException} where no broker answers.
 */
public final class TopicAdmin {

    static final Duration TIMEOUT = Duration.ofSeconds(10);
    private static final Duration CLOSE = Duration.ofSeconds(1);
    private static final long SHOWN_POLL_MS = 20;

    private final RerankConfig.Kafka kafka;
    private final Duration timeout;

    /** Waits up to 10 s for each answer of the broker. */
    public TopicAdmin(RerankConfig.Kafka kafka) {
        this(kafka, TIMEOUT);
    }

    public TopicAdmin(RerankConfig.Kafka kafka, Duration timeout) {
        this.kafka = kafka;
        this.timeout = timeout;
    }

    /** Returns the topics that a job of this configuration reads and writes. */
    public static Set<String> topics(RerankConfig.Kafka kafka) {
        return new LinkedHashSet<>(List.of(
                kafka.requestsTopic(),
                kafka.resultsTopic(),
                kafka.backfillTopic(),
                kafka.backfillResultsTopic(),
                kafka.deadLettersTopic()));
    }

    /** Creates missing topics with the broker's default replication, and returns when the broker lists them. */
    public void createMissing(Set<String> topics, int partitions) {
        with(admin -> {
            List<NewTopic> missing = missing(admin, topics).stream()
                    .map(name -> new NewTopic(name, Optional.of(partitions), Optional.empty())
                            .configs(Map.of(TopicConfig.MAX_MESSAGE_BYTES_CONFIG, maxMessageBytes(kafka))))
                    .toList();
            awaitAll(admin.createTopics(missing).values().values(), TopicExistsException.class);
            // the controller acknowledges before every broker knows
            for (long waited = 0; !missing(admin, topics).isEmpty(); waited += SHOWN_POLL_MS) {
                if (waited > timeout.toMillis()) {
                    throw new ConfigException("topics " + missing(admin, topics) + " were created at "
                            + kafka.bootstrapServers() + " but are not shown after " + timeout.toSeconds() + " s");
                }
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(SHOWN_POLL_MS));
            }
            return null;
        });
    }

    /** Deletes topics; missing ones are ignored. */
    public void delete(Set<String> topics) {
        with(admin -> {
            awaitAll(admin.deleteTopics(topics).topicNameValues().values(), UnknownTopicOrPartitionException.class);
            return null;
        });
    }

    /** Estimates the records of {@code topic} between the start of a job without checkpoint and the topic's end. */
    public long waiting(String topic) {
        return with(admin -> {
            boolean latest = kafka.startingOffsets() == StartingOffsets.LATEST;
            Map<TopicPartition, Long> starts =
                    offsets(admin, topic, latest ? OffsetSpec.latest() : OffsetSpec.earliest());
            if (kafka.startingOffsets() == StartingOffsets.COMMITTED) {
                committed(admin).forEach((p, committed) -> starts.computeIfPresent(p, (same, o) -> committed.offset()));
            }
            return sum(offsets(admin, topic, OffsetSpec.latest())) - sum(starts);
        });
    }

    /** Reads the end offset of each partition of {@code topic}. */
    public Map<TopicPartition, Long> ends(String topic) {
        return with(admin -> offsets(admin, topic, OffsetSpec.latest()));
    }

    /** Commits offsets for the group. */
    public void commit(Map<TopicPartition, Long> offsets) {
        Map<TopicPartition, OffsetAndMetadata> committed = new HashMap<>();
        offsets.forEach((partition, offset) -> committed.put(partition, new OffsetAndMetadata(offset)));
        with(admin -> await(
                admin.alterConsumerGroupOffsets(kafka.groupId(), committed).all()));
    }

    /** Reads the offsets that the group has committed, of any topic. */
    public Map<TopicPartition, OffsetAndMetadata> committed() {
        return with(this::committed);
    }

    /** Reads the id of the cluster, which stays the same when its addresses change. */
    public String clusterId() {
        return with(admin -> await(admin.describeCluster().clusterId()));
    }

    /** Exceeds {@code kafka.max-record-bytes}, so that a list that is too large reaches the dead letters. */
    static String maxMessageBytes(RerankConfig.Kafka kafka) {
        return Long.toString(Math.min(Integer.MAX_VALUE, 4L * kafka.maxRecordBytes()));
    }

    Set<String> missing(Admin admin, Set<String> topics) {
        Set<String> missing = new LinkedHashSet<>(topics);
        missing.removeAll(await(admin.listTopics().names()));
        return missing;
    }

    Map<TopicPartition, OffsetAndMetadata> committed(Admin admin) {
        return await(admin.listConsumerGroupOffsets(kafka.groupId()).partitionsToOffsetAndMetadata());
    }

    private Map<TopicPartition, Long> offsets(Admin admin, String topic, OffsetSpec spec) {
        var partitions = Objects.requireNonNull(
                        await(admin.describeTopics(List.of(topic)).allTopicNames())
                                .get(topic))
                .partitions();
        Map<TopicPartition, Long> offsets = new HashMap<>();
        await(admin.listOffsets(partitions.stream()
                                .collect(Collectors.toMap(p -> new TopicPartition(topic, p.partition()), p -> spec)))
                        .all())
                .forEach((partition, found) -> offsets.put(partition, found.offset()));
        return offsets;
    }

    private static long sum(Map<TopicPartition, Long> offsets) {
        return offsets.values().stream().mapToLong(Long::longValue).sum();
    }

    private void awaitAll(Collection<KafkaFuture<Void>> futures, Class<? extends KafkaException> ignored) {
        for (KafkaFuture<Void> future : futures) {
            try {
                await(future);
            } catch (KafkaException e) {
                if (!ignored.isInstance(e)) {
                    throw e;
                }
            }
        }
    }

    /** Calls {@code work} with a client, which closes in bounded time; its own close() has no bound. */
    <T> T with(Function<Admin, T> work) {
        Admin admin = open(kafka, timeout);
        try {
            return work.apply(admin);
        } finally {
            admin.close(CLOSE);
        }
    }

    /**
     * Opens a client whose calls end within {@code timeout}.
     *
     * @throws ConfigException when an address or a setting can't be used
     */
    static Admin open(RerankConfig.Kafka kafka, Duration timeout) {
        Properties properties = new Properties();
        properties.putAll(kafka.properties());
        properties.setProperty(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, kafka.bootstrapServers());
        properties.setProperty(AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, Long.toString(timeout.toMillis()));
        properties.setProperty(AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, Long.toString(timeout.toMillis()));
        try {
            return Admin.create(properties);
        } catch (KafkaException e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            throw new ConfigException(
                    "kafka.bootstrap-servers is \"" + kafka.bootstrapServers() + "\": " + cause.getMessage(), e);
        }
    }

    /** Waits for an answer; throws a {@link ConfigException} when none comes in time, else the broker's exception. */
    <T> T await(KafkaFuture<T> future) {
        try {
            return future.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ConfigException("interrupted while waiting for the broker", e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof TimeoutException) {
                throw new ConfigException(
                        "no broker answered at " + kafka.bootstrapServers() + " within " + timeout.toSeconds()
                                + " s (kafka.bootstrap-servers)",
                        e);
            }
            if (e.getCause() instanceof KafkaException cause) {
                throw cause;
            }
            throw new IllegalStateException(e);
        }
    }
}
