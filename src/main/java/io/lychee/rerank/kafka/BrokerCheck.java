package io.lychee.rerank.kafka;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions.Delivery;
import io.lychee.rerank.config.RerankOptions.StartingOffsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.GroupAuthorizationException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.TransactionalIdAuthorizationException;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/**
 * Looks, before a job starts, whether its broker answers and has its topics. Topics are never created on the side: how
 * many partitions they need is for their owner to say. Every call ends within the time given, and a little.
 */
public final class BrokerCheck {

    private static final Duration CLOSE = Duration.ofSeconds(1);
    private static final long SHOWN_POLL_MS = 20;
    private static final String LONGEST_TRANSACTION = "transaction.max.timeout.ms";

    private final RerankConfig.Kafka kafka;
    private final Duration timeout;

    public BrokerCheck(RerankConfig.Kafka kafka, Duration timeout) {
        this.kafka = kafka;
        this.timeout = timeout;
    }

    /** The topics a job of this configuration reads and writes. */
    public static Set<String> topics(RerankConfig.Kafka kafka) {
        return new LinkedHashSet<>(List.of(
                kafka.requestsTopic(),
                kafka.resultsTopic(),
                kafka.backfillTopic(),
                kafka.backfillResultsTopic(),
                kafka.deadLettersTopic()));
    }

    /**
     * @return warnings, one line each: settings of topics that would refuse our largest records
     * @throws ConfigException in one line, when no broker answers or a topic is missing
     */
    public List<String> check(Set<String> topics) {
        try (var admin = open()) {
            requireTopics(admin.get(), topics);
            return warnings(admin.get(), topics);
        }
    }

    /**
     * What writing answers takes: nothing more, or with exactly-once, transactions.
     *
     * @return warnings, one line each
     * @throws ConfigException when they aren't allowed, or not for so long
     */
    public List<String> checkDelivery() {
        if (kafka.delivery() != Delivery.EXACTLY_ONCE) {
            return List.of();
        }
        try (var admin = open()) {
            return checkTransactions(admin.get());
        }
    }

    /**
     * What a job needs: all its topics, and where the broker tells, the right to read and to write them.
     *
     * @return warnings, as {@link #check}
     * @throws ConfigException as {@link #check} and {@link #checkDelivery}, and when a right is missing
     */
    public List<String> checkJob() {
        List<String> warnings = new ArrayList<>(check(topics(kafka)));
        warnings.addAll(checkDelivery());
        try (var admin = open()) {
            requirePermissions(admin.get());
        }
        return warnings;
    }

    private void requirePermissions(Admin admin) {
        List<String> read = List.of(kafka.requestsTopic(), kafka.backfillTopic());
        var options = new DescribeTopicsOptions().includeAuthorizedOperations(true);
        await(admin.describeTopics(topics(kafka), options).allTopicNames()).forEach((topic, description) -> {
            AclOperation needed = read.contains(topic) ? AclOperation.READ : AclOperation.WRITE;
            Set<AclOperation> allowed = description.authorizedOperations();
            if (allowed != null && !allowed.contains(needed)) {
                throw forbidden(needed, "topic", topic, "");
            }
        });
        try {
            await(admin.listConsumerGroupOffsets(kafka.groupId()).partitionsToOffsetAndMetadata());
        } catch (GroupAuthorizationException e) {
            throw forbidden(AclOperation.READ, "group", kafka.groupId(), "");
        }
    }

    private ConfigException forbidden(AclOperation operation, String kind, String name, String pattern) {
        return new ConfigException(("the user of kafka.properties.* may not %s %s %s at %s; to allow it:"
                        + "%n  kafka-acls.sh --bootstrap-server %s --add --allow-principal User:NAME --operation %s --%s %s%s")
                .formatted(
                        operation.name().toLowerCase(Locale.ROOT),
                        kind,
                        name,
                        kafka.bootstrapServers(),
                        kafka.bootstrapServers(),
                        operation.name().toLowerCase(Locale.ROOT),
                        kind,
                        name,
                        pattern));
    }

    /** How many records of {@code topic} lie between where a job without a checkpoint starts and the end; about. */
    public long waiting(String topic) {
        try (var opened = open()) {
            Admin admin = opened.get();
            List<TopicPartition> partitions = partitions(admin, topic);
            Map<TopicPartition, OffsetAndMetadata> committed = kafka.startingOffsets() == StartingOffsets.COMMITTED
                    ? await(admin.listConsumerGroupOffsets(kafka.groupId()).partitionsToOffsetAndMetadata())
                    : Map.of();
            var ends = offsets(admin, partitions, OffsetSpec.latest());
            var starts = kafka.startingOffsets() == StartingOffsets.LATEST
                    ? ends
                    : offsets(admin, partitions, OffsetSpec.earliest());
            long records = 0;
            for (ListOffsetsResultInfo end : ends.values()) {
                records += end.offset();
            }
            for (var start : starts.entrySet()) {
                OffsetAndMetadata from = committed.get(start.getKey());
                records -= from == null ? start.getValue().offset() : from.offset();
            }
            return records;
        }
    }

    /** Where each partition of {@code topic} ends now. */
    public Map<TopicPartition, Long> ends(String topic) {
        try (var opened = open()) {
            Admin admin = opened.get();
            Map<TopicPartition, Long> ends = new HashMap<>();
            offsets(admin, partitions(admin, topic), OffsetSpec.latest())
                    .forEach((partition, end) -> ends.put(partition, end.offset()));
            return ends;
        }
    }

    /** Makes these the offsets from which the group goes on. */
    public void commit(Map<TopicPartition, Long> offsets) {
        Map<TopicPartition, OffsetAndMetadata> committed = new HashMap<>();
        offsets.forEach((partition, offset) -> committed.put(partition, new OffsetAndMetadata(offset)));
        try (var admin = open()) {
            await(admin.get()
                    .alterConsumerGroupOffsets(kafka.groupId(), committed)
                    .all());
        }
    }

    private List<TopicPartition> partitions(Admin admin, String topic) {
        return await(admin.describeTopics(List.of(topic)).allTopicNames()).values().stream()
                .flatMap(description -> description.partitions().stream())
                .map(partition -> new TopicPartition(topic, partition.partition()))
                .toList();
    }

    private Map<TopicPartition, ListOffsetsResultInfo> offsets(
            Admin admin, List<TopicPartition> partitions, OffsetSpec spec) {
        return await(admin.listOffsets(partitions.stream().collect(Collectors.toMap(p -> p, p -> spec)))
                .all());
    }

    private List<String> checkTransactions(Admin admin) {
        try {
            // who may write one may describe it; the ids begin with the group's
            await(admin.describeTransactions(List.of(kafka.groupId() + "-")).all());
        } catch (TransactionalIdNotFoundException e) {
            // nobody has it
        } catch (TransactionalIdAuthorizationException e) {
            throw forbidden(
                    AclOperation.WRITE, "transactional-id", kafka.groupId(), " --resource-pattern-type prefixed");
        }
        String broker = await(admin.describeCluster().controller()).idString();
        ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, broker);
        ConfigEntry longest;
        try {
            longest = await(admin.describeConfigs(List.of(resource)).all())
                    .values()
                    .iterator()
                    .next()
                    .get(LONGEST_TRANSACTION);
        } catch (KafkaException e) {
            return List.of("the broker's " + LONGEST_TRANSACTION + " can't be read: " + e.getMessage());
        }
        if (longest == null || longest.value() == null) {
            return List.of("the broker doesn't tell its " + LONGEST_TRANSACTION);
        }
        if (kafka.transactionTimeout().toMillis() > Long.parseLong(longest.value())) {
            throw new ConfigException("kafka.transaction-timeout is "
                    + kafka.transactionTimeout().toMillis() + " ms; the broker at " + kafka.bootstrapServers()
                    + " allows at most " + longest.value() + " (" + LONGEST_TRANSACTION + ")");
        }
        return List.of();
    }

    /** More than {@code kafka.max-record-bytes}, so that a list that is too large reaches the dead letters. */
    private String maxMessageBytes() {
        return Long.toString(Math.min(Integer.MAX_VALUE, 4L * kafka.maxRecordBytes()));
    }

    /**
     * Creates those that are missing, with the broker's default replication, and returns when the broker shows them.
     */
    public void createMissing(Set<String> topics, int partitions) {
        try (var admin = open()) {
            List<NewTopic> missing = missing(admin.get(), topics).stream()
                    .map(name -> new NewTopic(name, Optional.of(partitions), Optional.empty())
                            .configs(Map.of(TopicConfig.MAX_MESSAGE_BYTES_CONFIG, maxMessageBytes())))
                    .toList();
            for (KafkaFuture<Void> topic :
                    admin.get().createTopics(missing).values().values()) {
                try {
                    await(topic);
                } catch (TopicExistsException e) {
                    // somebody else was faster
                }
            }
            awaitShown(admin.get(), topics);
        }
    }

    /** Those that somebody else deleted before are none to complain about. */
    public void delete(Set<String> topics) {
        try (var admin = open()) {
            for (KafkaFuture<Void> topic :
                    admin.get().deleteTopics(topics).topicNameValues().values()) {
                try {
                    await(topic);
                } catch (UnknownTopicOrPartitionException e) {
                    // gone already
                }
            }
        }
    }

    /** The controller says "created" before every broker knows. */
    private void awaitShown(Admin admin, Set<String> topics) {
        for (long waited = 0; !missing(admin, topics).isEmpty(); waited += SHOWN_POLL_MS) {
            if (waited > timeout.toMillis()) {
                throw new ConfigException("topics " + missing(admin, topics) + " were created at "
                        + kafka.bootstrapServers() + " but are not shown after " + timeout.toSeconds() + " s");
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(SHOWN_POLL_MS));
        }
    }

    private void requireTopics(Admin admin, Set<String> topics) {
        Set<String> missing = missing(admin, topics);
        if (missing.isEmpty()) {
            return;
        }
        StringBuilder message = new StringBuilder((missing.size() == 1 ? "topic " : "topics ")
                + String.join(", ", missing) + (missing.size() == 1 ? " doesn't" : " don't") + " exist at "
                + kafka.bootstrapServers() + " (kafka.topic.*); to create:");
        for (String topic : missing) {
            message.append("\n  kafka-topics.sh --bootstrap-server ")
                    .append(kafka.bootstrapServers())
                    .append(" --create --topic ")
                    .append(topic)
                    .append(" --partitions 4 --config max.message.bytes=")
                    .append(maxMessageBytes());
        }
        throw new ConfigException(message.toString());
    }

    private Set<String> missing(Admin admin, Set<String> topics) {
        Set<String> missing = new LinkedHashSet<>(topics);
        missing.removeAll(await(admin.listTopics().names()));
        return missing;
    }

    private List<String> warnings(Admin admin, Set<String> topics) {
        List<ConfigResource> resources = topics.stream()
                .map(topic -> new ConfigResource(ConfigResource.Type.TOPIC, topic))
                .toList();
        Map<ConfigResource, Config> configs = new HashMap<>();
        try {
            configs.putAll(await(admin.describeConfigs(resources).all()));
        } catch (KafkaException e) {
            return List.of("the settings of the topics can't be read: " + e.getMessage());
        }
        List<String> warnings = new ArrayList<>();
        configs.forEach((resource, config) -> {
            var entry = config.get(TopicConfig.MAX_MESSAGE_BYTES_CONFIG);
            if (entry != null && Long.parseLong(entry.value()) < kafka.maxRecordBytes()) {
                warnings.add("topic " + resource.name() + " takes records of at most " + entry.value()
                        + " bytes (max.message.bytes), less than kafka.max-record-bytes (" + kafka.maxRecordBytes()
                        + "): a larger answer would stop the job");
            }
        });
        return warnings.stream().sorted().toList();
    }

    /** Reads the offsets that the group has committed, of any topic. */
    public Map<TopicPartition, OffsetAndMetadata> committed() {
        try (var admin = open()) {
            return await(admin.get().listConsumerGroupOffsets(kafka.groupId()).partitionsToOffsetAndMetadata());
        }
    }

    /** Reads the id of the cluster, which its addresses may change without. */
    public String clusterId() {
        try (var admin = open()) {
            return await(admin.get().describeCluster().clusterId());
        }
    }

    private OpenAdmin open() {
        return new OpenAdmin(admin(kafka, timeout));
    }

    /**
     * Opens a client whose calls end within {@code timeout}.
     *
     * @throws ConfigException when an address or a setting can't be used
     */
    static Admin admin(RerankConfig.Kafka kafka, Duration timeout) {
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

    private <T> T await(KafkaFuture<T> future) {
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

    /** Closes in bounded time; the client's own close() waits for ever. */
    private record OpenAdmin(Admin get) implements AutoCloseable {

        @Override
        public void close() {
            get.close(CLOSE);
        }
    }
}
