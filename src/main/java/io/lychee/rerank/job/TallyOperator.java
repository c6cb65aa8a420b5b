package io.lychee.rerank.job;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
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
 * Counts outputs in Flink's state, and writes the counts of each complete checkpoint to the run's state file. The last
 * checkpoint is marked there as {@link #ENDED}; Flink drops it only after that, when the job has finished.
 */
final class TallyOperator extends AbstractStreamOperator<OutputRecord>
        implements OneInputStreamOperator<OutputRecord, OutputRecord>, BoundedOneInput {

    /** Fields of the run's state: the counts, and the number of the checkpoint that holds all of them. */
    static final String TALLY = "tally";

    static final String ENDED = "ended";

    private static final long serialVersionUID = 2;
    private static final JsonMapper JSON = new JsonMapper();

    private final String stateFile;

    private transient Tally tally;
    private transient JsonNode snapshot;
    private transient @Nullable ListState<String> state;
    private transient boolean ended;
    private transient long last;

    /** @param stateFile of the process that runs the job */
    @SuppressWarnings("NullAway.Init") // Flink calls initializeState first
    TallyOperator(Path stateFile) {
        this.stateFile = stateFile.toString();
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        super.initializeState(context);
        ended = false;
        last = Long.MAX_VALUE;
        snapshot = MissingNode.getInstance();
        state = context.getOperatorStateStore().getListState(new ListStateDescriptor<>(TALLY, String.class));
        for (String json : state.get()) {
            snapshot = JSON.readTree(json);
        }
        tally = new Tally(snapshot);
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
        snapshot = tally.json();
        if (state != null) {
            state.update(List.of(snapshot.toString()));
        }
        if (ended) {
            last = Math.min(last, context.getCheckpointId());
        }
    }

    @Override
    public void notifyCheckpointComplete(long checkpointId) throws Exception {
        super.notifyCheckpointComplete(checkpointId);
        RunFolder.update(Path.of(stateFile), run -> {
            run.set(TALLY, snapshot);
            if (checkpointId >= last) {
                run.put(ENDED, checkpointId);
            }
        });
    }
}
