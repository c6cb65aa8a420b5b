package io.lychee.rerank.kafka;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.connector.source.SplitsAssignment;
import org.apache.flink.api.java.typeutils.ResultTypeQueryable;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.KafkaSourceEnumState;
import org.apache.flink.connector.kafka.source.split.KafkaPartitionSplit;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.jspecify.annotations.Nullable;

/**
 * Ends a bounded Kafka source also after it was restored, which the connector's own does not (FLINK-31006): its
 * enumerator finds no new partitions then, and never tells readers that there are no more splits.
 */
record BoundedSource(KafkaSource<SourceRecord> source)
        implements Source<SourceRecord, KafkaPartitionSplit, KafkaSourceEnumState>, ResultTypeQueryable<SourceRecord> {

    private static final long serialVersionUID = 1;

    @Override
    public SplitEnumerator<KafkaPartitionSplit, KafkaSourceEnumState> restoreEnumerator(
            SplitEnumeratorContext<KafkaPartitionSplit> context, KafkaSourceEnumState state) throws Exception {
        return state.initialDiscoveryFinished()
                ? new Restored(
                        context, new ArrayList<>(state.assignedSplits()), new ArrayList<>(state.unassignedSplits()))
                : source.restoreEnumerator(context, state);
    }

    /** Hands out what was left over, and no more: partitions that came since are not of this run. */
    private record Restored(
            SplitEnumeratorContext<KafkaPartitionSplit> context,
            List<KafkaPartitionSplit> assigned,
            List<KafkaPartitionSplit> unassigned)
            implements SplitEnumerator<KafkaPartitionSplit, KafkaSourceEnumState> {

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
            // readers come by themselves
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

    @Override
    public Boundedness getBoundedness() {
        return source.getBoundedness();
    }

    @Override
    public SourceReader<SourceRecord, KafkaPartitionSplit> createReader(SourceReaderContext context) throws Exception {
        return source.createReader(context);
    }

    @Override
    public SplitEnumerator<KafkaPartitionSplit, KafkaSourceEnumState> createEnumerator(
            SplitEnumeratorContext<KafkaPartitionSplit> context) {
        return source.createEnumerator(context);
    }

    @Override
    public SimpleVersionedSerializer<KafkaPartitionSplit> getSplitSerializer() {
        return source.getSplitSerializer();
    }

    @Override
    public SimpleVersionedSerializer<KafkaSourceEnumState> getEnumeratorCheckpointSerializer() {
        return source.getEnumeratorCheckpointSerializer();
    }

    @Override
    public TypeInformation<SourceRecord> getProducedType() {
        return source.getProducedType();
    }
}
