package io.lychee.rerank.kafka;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.connector.source.SplitsAssignment;
import org.apache.flink.connector.kafka.source.enumerator.KafkaSourceEnumState;
import org.apache.flink.connector.kafka.source.split.KafkaPartitionSplit;
import org.jspecify.annotations.Nullable;

/**
 * Ends a bounded Kafka source after it was restored, which the connector's enumerator does not (FLINK-31006): it finds
 * no new partitions then, and never tells readers that there are no more splits. Assigns the splits that were left
 * over; partitions created since are not of this run.
 */
final class BoundedEnumerator implements SplitEnumerator<KafkaPartitionSplit, KafkaSourceEnumState> {

    private final SplitEnumeratorContext<KafkaPartitionSplit> context;
    private final List<KafkaPartitionSplit> assigned;
    private final List<KafkaPartitionSplit> unassigned;

    /** @param state of an enumerator that has found all partitions */
    BoundedEnumerator(SplitEnumeratorContext<KafkaPartitionSplit> context, KafkaSourceEnumState state) {
        this.context = context;
        this.assigned = new ArrayList<>(state.assignedSplits());
        this.unassigned = new ArrayList<>(state.unassignedSplits());
    }

    @Override
    public void addReader(int subtask) {
        if (!unassigned.isEmpty()) {
            context.assignSplits(new SplitsAssignment<>(Map.of(subtask, List.copyOf(unassigned))));
            assigned.addAll(unassigned);
            unassigned.clear();
        }
        context.signalNoMoreSplits(subtask);
    }

    @Override
    public void addSplitsBack(List<KafkaPartitionSplit> splits, int subtask) {
        assigned.removeAll(splits);
        unassigned.addAll(splits);
    }

    @Override
    public KafkaSourceEnumState snapshotState(long checkpoint) {
        return new KafkaSourceEnumState(assigned, unassigned, true);
    }

    @Override
    public void start() {
        // readers register by themselves
    }

    @Override
    public void handleSplitRequest(int subtask, @Nullable String host) {
        // readers never ask
    }

    @Override
    public void close() {
        // nothing is open
    }
}
