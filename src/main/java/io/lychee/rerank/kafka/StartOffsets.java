package io.lychee.rerank.kafka;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.Delivery;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.StartingOffsets;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.kafka.common.TopicPartition;

/**
 * Resolves where a start without a checkpoint begins, so that each partition has an offset to commit at once. Refuses
 * one that could repeat answers where each is promised once.
 *
 * @param bounded whether the run ends; then it may begin anywhere
 */
record StartOffsets(RerankConfig.Kafka kafka, boolean bounded) implements OffsetsInitializer {

    /**
     * Reads the offsets from the broker.
     *
     * @param partitions found first; empty where partitions were added to a topic that is read
     * @throws SuppressRestartsException when answers could be repeated
     */
    @Override
    public Map<TopicPartition, Long> getPartitionOffsets(
            Collection<TopicPartition> partitions, PartitionOffsetsRetriever offsets) {
        if (partitions.isEmpty()) {
            return Map.of();
        }
        if (!bounded
                && kafka.delivery() == Delivery.EXACTLY_ONCE
                && !kafka.exactlyOnceFromOffsets()
                && !offsets.committedOffsets(partitions).isEmpty()) {
            throw new SuppressRestartsException(new ConfigException(
                    ("group %s has committed offsets of topic %s, and this start has no checkpoint; "
                                    + "expected the checkpoint or a savepoint, because %s would answer lists again "
                                    + "that were answered after these offsets. %s=true accepts that")
                            .formatted(
                                    kafka.groupId(),
                                    partitions.iterator().next().topic(),
                                    ConfigKeys.DELIVERY + "=" + kafka.delivery(),
                                    ConfigKeys.EXACTLY_ONCE_FROM_OFFSETS)));
        }
        StartingOffsets from = kafka.startingOffsets();
        Map<TopicPartition, Long> start = new HashMap<>(
                from == StartingOffsets.LATEST ? offsets.endOffsets(partitions) : offsets.beginningOffsets(partitions));
        if (from == StartingOffsets.COMMITTED) {
            start.putAll(offsets.committedOffsets(partitions));
        }
        return start;
    }

    @Override
    @SuppressWarnings("deprecation") // the connector asks for Kafka's old enum
    public OffsetResetStrategy getAutoOffsetResetStrategy() {
        return kafka.startingOffsets() == StartingOffsets.LATEST
                ? OffsetResetStrategy.LATEST
                : OffsetResetStrategy.EARLIEST;
    }
}
