package io.lychee.rerank.kafka;

import io.lychee.rerank.config.RerankConfig;
import java.io.IOException;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.kafka.common.TopicPartition;

/**
 * Wraps an enumerator: commits, for each complete checkpoint, the lowest unanswered offsets of all subtasks. A
 * checkpoint that some subtask has not reported commits those of an earlier one.
 */
final class CommittingEnumerator<S extends SourceSplit, E> implements SplitEnumerator<S, E> {

    /**
     * Reports the offsets from which one subtask would have to read again, as of a checkpoint.
     *
     * @param offsets the lowest unanswered one of each partition, or else the next one to read
     */
    record Unanswered(long checkpoint, Map<TopicPartition, Long> offsets) implements SourceEvent {}

    private final SplitEnumerator<S, E> enumerator;
    private final SplitEnumeratorContext<S> context;
    private final OffsetCommitter committer;

    /** Offsets by checkpoint and subtask, of checkpoints that are not complete. */
    private final NavigableMap<Long, Map<Integer, Map<TopicPartition, Long>>> reported = new TreeMap<>();

    CommittingEnumerator(
            SplitEnumerator<S, E> enumerator, SplitEnumeratorContext<S> context, RerankConfig.Kafka kafka) {
        this.enumerator = enumerator;
        this.context = context;
        this.committer = new OffsetCommitter(
                kafka, context.metricGroup().getAllVariables().getOrDefault("<job_id>", ""));
    }

    @Override
    public void handleSourceEvent(int subtask, SourceEvent event) {
        if (event instanceof Unanswered unanswered) {
            reported.computeIfAbsent(unanswered.checkpoint(), checkpoint -> new HashMap<>())
                    .put(subtask, unanswered.offsets());
        } else {
            enumerator.handleSourceEvent(subtask, event);
        }
    }

    @Override
    public void notifyCheckpointComplete(long checkpoint) throws Exception {
        enumerator.notifyCheckpointComplete(checkpoint);
        var upTo = reported.headMap(checkpoint, true);
        for (var one : upTo.descendingMap().entrySet()) {
            Collection<Map<TopicPartition, Long>> subtasks = one.getValue().values();
            if (subtasks.size() == context.currentParallelism()) {
                Map<TopicPartition, Long> lowest = new HashMap<>();
                subtasks.forEach(offsets -> offsets.forEach((p, offset) -> lowest.merge(p, offset, Math::min)));
                committer.commit(one.getKey(), lowest);
                break;
            }
        }
        upTo.clear();
    }

    @Override
    public void notifyCheckpointAborted(long checkpoint) throws Exception {
        enumerator.notifyCheckpointAborted(checkpoint);
    }

    @Override
    public void start() {
        enumerator.start();
    }

    @Override
    public void handleSplitRequest(int subtask, String host) {
        enumerator.handleSplitRequest(subtask, host);
    }

    @Override
    public void addSplitsBack(List<S> splits, int subtask) {
        enumerator.addSplitsBack(splits, subtask);
    }

    @Override
    public void addReader(int subtask) {
        enumerator.addReader(subtask);
    }

    @Override
    public E snapshotState(long checkpoint) throws Exception {
        return enumerator.snapshotState(checkpoint);
    }

    @Override
    public void close() throws IOException {
        committer.close();
        enumerator.close();
    }
}
