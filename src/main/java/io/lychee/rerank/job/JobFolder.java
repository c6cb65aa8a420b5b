package io.lychee.rerank.job;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.kafka.OffsetCommitter;
import io.lychee.rerank.kafka.TopicAdmin;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.flink.api.common.JobID;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** Keeps the checkpoints of an embedded job, from the last complete one of which the same command resumes. */
public final class JobFolder extends RunFolder {

    /** Field of the state: the group's offsets when the job began. */
    private static final String OFFSETS = "offsets";

    private final RerankConfig.Kafka kafka;
    private final TopicAdmin topics;

    private JobFolder(Path path, RerankConfig.Kafka kafka) {
        super(path, Kind.JOB);
        this.kafka = kafka;
        this.topics = new TopicAdmin(kafka);
    }

    /**
     * Opens the folder for this process alone; creates it where there is none.
     *
     * @param restart forgets the checkpoints that are there
     * @throws ConfigException when the folder is in use, not ours, or of another job
     */
    public static JobFolder open(RerankConfig config, boolean restart) throws IOException {
        String dir = config.checkpointDir();
        Path path = InputFiles.absolute(dir.isEmpty() ? config.kafka().groupId() + ".checkpoints" : dir);
        JobFolder opened = new JobFolder(path, config.kafka());
        try {
            opened.open(restart);
            opened.beginOrResume();
            return opened;
        } catch (IOException | RuntimeException e) {
            opened.close();
            throw e;
        }
    }

    private void beginOrResume() throws IOException {
        List<String> job = List.of(
                "cluster " + topics.clusterId(),
                "group " + kafka.groupId(),
                "topics " + kafka.requestsTopic() + " and " + kafka.backfillTopic());
        List<String> saved = lines(state().path(RUN));
        if (saved.isEmpty()) {
            List<String> offsets = committed().entrySet().stream()
                    .map(offset -> line(offset.getKey(), offset.getValue()))
                    .toList();
            update(state -> {
                state.put(ID, new JobID().toHexString());
                state.set(RUN, tree(job));
                state.set(OFFSETS, tree(offsets));
            });
        } else if (saved.equals(job)) {
            requireNoLaterCommit();
        } else {
            throw new ConfigException(("%s holds checkpoints of %s; expected %s. --restart begins anew at the group's "
                            + "offsets, %s names another folder")
                    .formatted(this, String.join(", ", saved), String.join(", ", job), ConfigKeys.CHECKPOINT_DIR));
        }
    }

    /** Refuses to repeat lists whose offsets another job, or a checkpoint that is gone, has committed. */
    private void requireNoLaterCommit() throws IOException {
        Optional<Checkpoint> last = lastCheckpoint();
        if (last.isEmpty()) {
            return;
        }
        String id = id().toHexString();
        List<String> began = lines(state().path(OFFSETS));
        committed().forEach((partition, offset) -> {
            long committedBy = OffsetCommitter.checkpoint(offset, id);
            if (!began.contains(line(partition, offset))
                    && (committedBy < 0 || committedBy > last.get().number())) {
                throw new ConfigException(("group %s stands at offset %d of %s, committed by %s; expected none after "
                                + "checkpoint %d in %s. --restart begins anew at the group's offsets")
                        .formatted(
                                kafka.groupId(),
                                offset.offset(),
                                partition,
                                committedBy < 0 ? "another job" : "checkpoint " + committedBy,
                                last.get().number(),
                                this));
            }
        });
    }

    private Map<TopicPartition, OffsetAndMetadata> committed() {
        Map<TopicPartition, OffsetAndMetadata> ours = new HashMap<>(topics.committed());
        ours.keySet()
                .removeIf(p ->
                        !List.of(kafka.requestsTopic(), kafka.backfillTopic()).contains(p.topic()));
        return ours;
    }

    private static String line(TopicPartition partition, OffsetAndMetadata offset) {
        return "%s at %d %s".formatted(partition, offset.offset(), offset.metadata());
    }

    /** Returns the job's id, the same in each of its processes. */
    JobID id() throws IOException {
        return JobID.fromHexString(state().path(ID).asText());
    }

    /** Returns the number of the last complete checkpoint or savepoint. */
    public Optional<Long> last() throws IOException {
        return lastCheckpoint().map(Checkpoint::number);
    }
}
