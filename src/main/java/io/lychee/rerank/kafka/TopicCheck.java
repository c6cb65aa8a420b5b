package io.lychee.rerank.kafka;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.Delivery;
import io.lychee.rerank.config.RerankConfig;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.GroupAuthorizationException;
import org.apache.kafka.common.errors.TransactionalIdAuthorizationException;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;

/**
 * Checks broker, topics and rights before a start; throws a {@link ConfigException} that names the remedy. Creates no
 * topics, because their partitions are the owner's choice. Each request ends within the timeout.
 */
public final class TopicCheck {

    private static final String LONGEST_TRANSACTION = "transaction.max.timeout.ms";

    private final RerankConfig.Kafka kafka;
    private final TopicAdmin topics;

    /** Waits up to 10 s for each answer of the broker. */
    public TopicCheck(RerankConfig.Kafka kafka) {
        this(kafka, new TopicAdmin(kafka));
    }

    public TopicCheck(RerankConfig.Kafka kafka, Duration timeout) {
        this(kafka, new TopicAdmin(kafka, timeout));
    }

    private TopicCheck(RerankConfig.Kafka kafka, TopicAdmin topics) {
        this.kafka = kafka;
        this.topics = topics;
    }

    /**
     * Checks that the topics exist.
     *
     * @return warnings, one line each: settings of topics that would refuse our largest records
     */
    public List<String> check(Set<String> needed) {
        return topics.with(admin -> {
            requireTopics(topics.missing(admin, needed));
            return warnings(admin, needed);
        });
    }

    /**
     * Checks that transactions are allowed for {@code kafka.transaction-timeout}, where exactly-once needs them.
     *
     * @return warnings, one line each
     */
    public List<String> checkDelivery() {
        return kafka.delivery() == Delivery.EXACTLY_ONCE ? topics.with(this::checkTransactions) : List.of();
    }

    /**
     * Checks all topics of a job, its delivery, and where the broker tells, the rights to read and write.
     *
     * @return warnings, one line each
     */
    public List<String> checkJob() {
        List<String> warnings = new ArrayList<>(check(TopicAdmin.topics(kafka)));
        warnings.addAll(checkDelivery());
        return topics.with(admin -> {
            requirePermissions(admin);
            return warnings;
        });
    }

    private void requirePermissions(Admin admin) {
        List<String> read = List.of(kafka.requestsTopic(), kafka.backfillTopic());
        var options = new DescribeTopicsOptions().includeAuthorizedOperations(true);
        topics.await(admin.describeTopics(TopicAdmin.topics(kafka), options).allTopicNames())
                .forEach((topic, description) -> {
                    AclOperation needed = read.contains(topic) ? AclOperation.READ : AclOperation.WRITE;
                    Set<AclOperation> allowed = description.authorizedOperations();
                    if (allowed != null && !allowed.contains(needed)) {
                        throw forbidden(needed, "topic", topic, "");
                    }
                });
        try {
            var unused = topics.committed(admin);
        } catch (GroupAuthorizationException e) {
            throw forbidden(AclOperation.READ, "group", kafka.groupId(), "");
        }
    }

    private ConfigException forbidden(AclOperation operation, String kind, String name, String pattern) {
        return new ConfigException(("the user of kafka.properties.* may not %1$s %2$s %3$s at %4$s; to allow it:"
                        + "%n  kafka-acls.sh --bootstrap-server %4$s --add --allow-principal User:NAME --operation %1$s"
                        + " --%2$s %3$s%5$s")
                .formatted(operation.name().toLowerCase(Locale.ROOT), kind, name, kafka.bootstrapServers(), pattern));
    }

    private List<String> checkTransactions(Admin admin) {
        try {
            // who may write one may describe it; the ids begin with the group's
            topics.await(
                    admin.describeTransactions(List.of(kafka.groupId() + "-")).all());
        } catch (TransactionalIdNotFoundException e) {
            // allowed, and unused
        } catch (TransactionalIdAuthorizationException e) {
            throw forbidden(
                    AclOperation.WRITE, "transactional-id", kafka.groupId(), " --resource-pattern-type prefixed");
        }
        String broker = topics.await(admin.describeCluster().controller()).idString();
        ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, broker);
        ConfigEntry longest;
        try {
            longest = Objects.requireNonNull(topics.await(
                                    admin.describeConfigs(List.of(resource)).all())
                            .get(resource))
                    .get(LONGEST_TRANSACTION);
        } catch (KafkaException e) {
            return List.of("the broker's " + LONGEST_TRANSACTION + " can't be read: " + e.getMessage());
        }
        if (longest == null || longest.value() == null) {
            return List.of("the broker doesn't tell its " + LONGEST_TRANSACTION);
        }
        long timeout = kafka.transactionTimeout().toMillis();
        if (timeout > Long.parseLong(longest.value())) {
            throw new ConfigException("kafka.transaction-timeout is " + timeout + " ms; the broker at "
                    + kafka.bootstrapServers() + " allows at most " + longest.value() + " (" + LONGEST_TRANSACTION
                    + ")");
        }
        return List.of();
    }

    private void requireTopics(Set<String> missing) {
        if (missing.isEmpty()) {
            return;
        }
        StringBuilder message = new StringBuilder((missing.size() == 1 ? "topic " : "topics ")
                + String.join(", ", missing) + (missing.size() == 1 ? " doesn't" : " don't") + " exist at "
                + kafka.bootstrapServers() + " (kafka.topic.*); to create:");
        for (String topic : missing) {
            message.append(("%n  kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions 4"
                            + " --config max.message.bytes=%s")
                    .formatted(kafka.bootstrapServers(), topic, TopicAdmin.maxMessageBytes(kafka)));
        }
        throw new ConfigException(message.toString());
    }

    private List<String> warnings(Admin admin, Set<String> needed) {
        List<ConfigResource> resources = needed.stream()
                .map(topic -> new ConfigResource(ConfigResource.Type.TOPIC, topic))
                .toList();
        List<String> warnings = new ArrayList<>();
        try {
            topics.await(admin.describeConfigs(resources).all()).forEach((topic, config) -> {
                ConfigEntry entry = config.get(TopicConfig.MAX_MESSAGE_BYTES_CONFIG);
                if (entry != null && Long.parseLong(entry.value()) < kafka.maxRecordBytes()) {
                    warnings.add("topic " + topic.name() + " takes records of at most " + entry.value()
                            + " bytes (max.message.bytes), less than kafka.max-record-bytes ("
                            + kafka.maxRecordBytes() + "): a larger answer would stop the job");
                }
            });
        } catch (KafkaException e) {
            return List.of("the settings of the topics can't be read: " + e.getMessage());
        }
        return warnings.stream().sorted().toList();
    }
}
