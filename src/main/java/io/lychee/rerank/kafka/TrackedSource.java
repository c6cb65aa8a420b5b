package io.lychee.rerank.kafka;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Lane;
import java.io.Serializable;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.java.typeutils.ResultTypeQueryable;
import org.apache.flink.connector.kafka.source.split.KafkaPartitionSplit;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;

/**
 * Wraps a source: pauses it while too much is in flight, and commits the lowest unanswered offsets of topics.
 *
 * <p>The state is the wrapped source's own. Offsets of all subtasks meet in the enumerator, because after a change of
 * parallelism a restored record may sit on another subtask than the one that reads its partition.
 *
 * @param <S> a split of the wrapped source
 * @param <E> the state of its enumerator
 */
public final class TrackedSource<S extends SourceSplit, E>
        implements Source<SourceRecord, S, E>, ResultTypeQueryable<SourceRecord> {

    private static final long serialVersionUID = 1;

    private static final long NO_CHECKPOINT = -1;

    private final Source<SourceRecord, S, E> source;
    private final long maxBytes;
    private final int maxRecords;
    private final RerankConfig.@Nullable Kafka kafka;
    private final Restore<S, E> restore;

    /** Creates an enumerator from the state of a checkpoint. */
    @FunctionalInterface
    interface Restore<S extends SourceSplit, E> extends Serializable {
        SplitEnumerator<S, E> enumerator(SplitEnumeratorContext<S> context, E state) throws Exception;
    }

    /**
     * Wraps a source of files, which have no offsets.
     *
     * @param config whose bounds of bytes and lists in flight hold in each subtask
     */
    public TrackedSource(Source<SourceRecord, S, E> source, RerankConfig config, Lane lane) {
        this(source, config, lane, null, source::restoreEnumerator);
    }

    TrackedSource(
            Source<SourceRecord, S, E> source,
            RerankConfig config,
            Lane lane,
            RerankConfig.@Nullable Kafka kafka,
            Restore<S, E> restore) {
        this.restore = restore;
        this.source = source;
        this.maxBytes = config.maxInFlightBytes();
        this.maxRecords = capacity(config, lane);
        this.kafka = kafka;
    }

    /** Returns how many lists a subtask of the lane may have in flight. */
    public static int capacity(RerankConfig config, Lane lane) {
        return lane == Lane.REALTIME
                ? config.lanes().realtimeCapacity()
                : config.lanes().backfillCapacity();
    }

    @Override
    public SourceReader<SourceRecord, S> createReader(SourceReaderContext context) throws Exception {
        InFlight inFlight = InFlight.of(context.metricGroup());
        inFlight.limit(maxBytes, maxRecords);
        return new Reader<>(source.createReader(context), inFlight, context, kafka);
    }

    @SuppressWarnings("try") // close() is theirs
    private record Reader<S extends SourceSplit>(
            SourceReader<SourceRecord, S> reader,
            InFlight inFlight,
            SourceReaderContext context,
            RerankConfig.@Nullable Kafka kafka)
            implements SourceReader<SourceRecord, S> {

        @Override
        public InputStatus pollNext(ReaderOutput<SourceRecord> output) throws Exception {
            if (inFlight.isPaused()) {
                return InputStatus.NOTHING_AVAILABLE;
            }
            try {
                return reader.pollNext(output);
            } catch (RuntimeException e) {
                throw kafka == null
                        ? e
                        : UnreadableRecord.explained(e, kafka, positions(reader.snapshotState(NO_CHECKPOINT)));
            }
        }

        @Override
        public CompletableFuture<Void> isAvailable() {
            return inFlight.isPaused() ? inFlight.resumed() : reader.isAvailable();
        }

        @Override
        public List<S> snapshotState(long checkpoint) {
            List<S> splits = reader.snapshotState(checkpoint);
            if (kafka != null) {
                Map<TopicPartition, Long> offsets = positions(splits);
                offsets.putAll(inFlight.lowest());
                context.sendSourceEventToCoordinator(new CommittingEnumerator.Unanswered(checkpoint, offsets));
            }
            return splits;
        }

        /** Reads the next offset of each partition. */
        private Map<TopicPartition, Long> positions(List<S> splits) {
            Map<TopicPartition, Long> positions = new HashMap<>();
            for (S split : splits) {
                if (split instanceof KafkaPartitionSplit partition && partition.getStartingOffset() >= 0) {
                    positions.put(partition.getTopicPartition(), partition.getStartingOffset());
                }
            }
            return positions;
        }

        @Override
        public void start() {
            reader.start();
        }

        @Override
        public void addSplits(List<S> splits) {
            reader.addSplits(splits);
        }

        @Override
        public void notifyNoMoreSplits() {
            reader.notifyNoMoreSplits();
        }

        @Override
        public void handleSourceEvents(SourceEvent event) {
            reader.handleSourceEvents(event);
        }

        @Override
        public void notifyCheckpointComplete(long checkpoint) throws Exception {
            reader.notifyCheckpointComplete(checkpoint);
        }

        @Override
        public void notifyCheckpointAborted(long checkpoint) throws Exception {
            reader.notifyCheckpointAborted(checkpoint);
        }

        @Override
        public void close() throws Exception {
            inFlight.close();
            reader.close();
        }
    }

    @Override
    public SplitEnumerator<S, E> createEnumerator(SplitEnumeratorContext<S> context) throws Exception {
        return tracked(source.createEnumerator(context), context);
    }

    @Override
    public SplitEnumerator<S, E> restoreEnumerator(SplitEnumeratorContext<S> context, E state) throws Exception {
        return tracked(restore.enumerator(context, state), context);
    }

    private SplitEnumerator<S, E> tracked(SplitEnumerator<S, E> enumerator, SplitEnumeratorContext<S> context) {
        return kafka == null ? enumerator : new CommittingEnumerator<>(enumerator, context, kafka);
    }

    @Override
    public Boundedness getBoundedness() {
        return source.getBoundedness();
    }

    @Override
    public SimpleVersionedSerializer<S> getSplitSerializer() {
        return source.getSplitSerializer();
    }

    @Override
    public SimpleVersionedSerializer<E> getEnumeratorCheckpointSerializer() {
        return source.getEnumeratorCheckpointSerializer();
    }

    @Override
    public TypeInformation<SourceRecord> getProducedType() {
        return SourceRecord.TYPE;
    }
}
