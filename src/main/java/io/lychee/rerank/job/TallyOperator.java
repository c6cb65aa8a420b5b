package io.lychee.rerank.job;

import io.lychee.rerank.kafka.OutputRecord;
import java.nio.file.Path;
import java.util.List;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.jspecify.annotations.Nullable;

/**
 * Counts outputs in Flink's state, and writes the counts to a file once the last checkpoint is complete. A job ends,
 * and this checkpoint is dropped, only after that: where the file is and the checkpoint is not, the job has finished.
 */
final class TallyOperator extends AbstractStreamOperator<OutputRecord>
        implements OneInputStreamOperator<OutputRecord, OutputRecord>, BoundedOneInput {

    private static final long serialVersionUID = 1;

    private final String file;

    private transient Tally tally;
    private transient @Nullable ListState<String> state;
    private transient boolean ended;
    private transient long last;

    /** @param file for the counts, of the process that runs the job */
    @SuppressWarnings("NullAway.Init") // Flink calls initializeState first
    TallyOperator(Path file) {
        this.file = file.toString();
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        super.initializeState(context);
        ended = false;
        last = Long.MAX_VALUE;
        tally = new Tally();
        state = context.getOperatorStateStore().getListState(new ListStateDescriptor<>("tally", String.class));
        for (String text : state.get()) {
            tally = Tally.parse(text);
        }
    }

    @Override
    public void processElement(StreamRecord<OutputRecord> element) {
        tally.add(element.getValue());
        output.collect(element);
    }

    @Override
    public void endInput() {
        ended = true;
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        super.snapshotState(context);
        if (state != null) {
            state.update(List.of(tally.text()));
        }
        if (ended) {
            last = Math.min(last, context.getCheckpointId());
        }
    }

    @Override
    public void notifyCheckpointComplete(long checkpointId) throws Exception {
        super.notifyCheckpointComplete(checkpointId);
        if (checkpointId >= last) {
            RunFolder.write(Path.of(file), Tally.of(checkpointId, tally).text());
        }
    }
}
