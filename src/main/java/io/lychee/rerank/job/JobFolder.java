package io.lychee.rerank.job;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions;
import io.lychee.rerank.kafka.OffsetCommits;
import io.lychee.rerank.kafka.TopicAdmin;
import java.io.DataInputStream;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.flink.api.common.JobID;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.util.FileUtils;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;

/** Keeps the checkpoints of an embedded job, from the last complete one of which the same command resumes. */
public final class JobFolder implements AutoCloseable {

    private static final String MARKER = "lychee-job.txt";
    private static final String FIRST_LINE = "checkpoints of a lychee-rerank job, version 1";
    private static final Duration BROKER = Duration.ofSeconds(10);

    private final Path folder;
    private final RerankConfig.Kafka kafka;
    private final FileChannel lock;
    private JobID id;

    /** @param number Flink's, which grows from run to run */
    public record Checkpoint(Path path, long number) {}

    private JobFolder(Path folder, RerankConfig.Kafka kafka, FileChannel lock, JobID id) {
        this.folder = folder;
        this.kafka = kafka;
        this.lock = lock;
        this.id = id;
    }

    /**
     * Opens the folder for this process alone; creates it where there is none.
     *
     * @param restart forgets the checkpoints that are there
     * @throws ConfigException when the folder is in use, not ours, or of another job
     */
    public static JobFolder open(RerankConfig config, boolean restart) throws IOException {
        String dir = config.checkpointDir();
        Path folder = InputFiles.absolute(dir.isEmpty() ? config.kafka().groupId() + ".checkpoints" : dir);
        Path marker = folder.resolve(MARKER);
        if (Files.exists(folder) && !isOurs(folder, marker)) {
            throw new ConfigException(folder + " is not empty, and holds no " + MARKER
                    + "; expected a folder of this job's own (" + RerankOptions.CHECKPOINT_DIR.key() + ")");
        }
        Files.createDirectories(folder);
        FileChannel lock = lock(folder);
        JobFolder opened = new JobFolder(folder, config.kafka(), lock, new JobID());
        try {
            if (Files.exists(marker) && !restart) {
                opened.resume(Files.readAllLines(marker));
            } else {
                opened.begin();
            }
            return opened;
        } catch (IOException | RuntimeException e) {
            lock.close();
            throw e;
        }
    }

    private static boolean isOurs(Path folder, Path marker) throws IOException {
        if (Files.exists(marker)) {
            return Files.readString(marker).startsWith(FIRST_LINE);
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.allMatch(file -> file.endsWith("lock"));
        }
    }

    private static FileChannel lock(Path folder) throws IOException {
        FileChannel lock =
                FileChannel.open(folder.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            if (lock.tryLock() != null) {
                return lock;
            }
        } catch (OverlappingFileLockException e) {
            // by this very process
        }
        lock.close();
        throw new ConfigException(folder + " is in use by another job (" + RerankOptions.CHECKPOINT_DIR.key() + ")");
    }

    /** Writes the marker of a new job, with the group's offsets as they are. */
    private void begin() throws IOException {
        checkpoints().forEach(checkpoint -> FileUtils.deleteDirectoryQuietly(checkpoint.toFile()));
        List<String> lines = new ArrayList<>(identity());
        lines.add("id " + id.toHexString());
        committed().forEach((partition, offset) -> lines.add(line(partition, offset)));
        Path unfinished = folder.resolve(MARKER + ".unfinished");
        Files.writeString(unfinished, String.join("\n", lines) + "\n");
        Files.move(
                unfinished,
                folder.resolve(MARKER),
                StandardCopyOption.ATOMIC_MOVE,
                StandardCopyOption.REPLACE_EXISTING);
    }

    private void resume(List<String> marker) throws IOException {
        List<String> identity = identity();
        if (marker.size() <= identity.size()
                || !marker.subList(0, identity.size()).equals(identity)) {
            throw new ConfigException(
                    "%s holds checkpoints of %s; expected %s. --restart begins anew at the group's offsets, %s names another folder"
                            .formatted(
                                    folder,
                                    String.join(", ", marker.subList(1, Math.min(marker.size(), identity.size()))),
                                    String.join(", ", identity.subList(1, identity.size())),
                                    RerankOptions.CHECKPOINT_DIR.key()));
        }
        id = JobID.fromHexString(marker.get(identity.size()).substring("id ".length()));
        Optional<Checkpoint> last = last();
        if (last.isEmpty()) {
            return;
        }
        committed().forEach((partition, offset) -> {
            long committedBy = OffsetCommits.checkpoint(offset, id.toHexString());
            boolean unchanged = marker.contains(line(partition, offset));
            if (!unchanged && (committedBy < 0 || committedBy > last.get().number())) {
                throw new ConfigException(
                        "group %s stands at offset %d of %s, committed by %s; expected none after checkpoint %d in %s. --restart begins anew at the group's offsets"
                                .formatted(
                                        kafka.groupId(),
                                        offset.offset(),
                                        partition,
                                        committedBy < 0 ? "another job" : "checkpoint " + committedBy,
                                        last.get().number(),
                                        folder));
            }
        });
    }

    private List<String> identity() {
        return List.of(
                FIRST_LINE,
                "cluster " + new TopicAdmin(kafka, BROKER).clusterId(),
                "group " + kafka.groupId(),
                "topics " + kafka.requestsTopic() + " and " + kafka.backfillTopic());
    }

    private Map<TopicPartition, OffsetAndMetadata> committed() {
        Map<TopicPartition, OffsetAndMetadata> ours =
                new TreeMap<>(Comparator.comparing(TopicPartition::topic).thenComparing(TopicPartition::partition));
        new TopicAdmin(kafka, BROKER).committed().forEach((partition, offset) -> {
            if (List.of(kafka.requestsTopic(), kafka.backfillTopic()).contains(partition.topic())) {
                ours.put(partition, offset);
            }
        });
        return ours;
    }

    private static String line(TopicPartition partition, OffsetAndMetadata offset) {
        return "began with %s at %d %s".formatted(partition, offset.offset(), offset.metadata());
    }

    /** Returns where checkpoints lie. */
    public Path path() {
        return folder;
    }

    /** Returns the job's id, the same in each of its processes. */
    JobID id() {
        return id;
    }

    /** Finds the last complete checkpoint or savepoint. */
    public Optional<Checkpoint> last() throws IOException {
        Checkpoint last = null;
        for (Path checkpoint : checkpoints()) {
            Long number = number(checkpoint);
            if (number != null && (last == null || number > last.number())) {
                last = new Checkpoint(checkpoint, number);
            }
        }
        return Optional.ofNullable(last);
    }

    private List<Path> checkpoints() throws IOException {
        try (Stream<Path> files = Files.walk(folder, 3)) {
            return files.filter(file -> file.endsWith("_metadata"))
                    .map(Path::getParent)
                    .toList();
        }
    }

    private static @Nullable Long number(Path checkpoint) {
        try (DataInputStream metadata = new DataInputStream(Files.newInputStream(checkpoint.resolve("_metadata")))) {
            return Checkpoints.loadCheckpointMetadata(metadata, JobFolder.class.getClassLoader(), checkpoint.toString())
                    .getCheckpointId();
        } catch (IOException | RuntimeException e) {
            return null; // not written to its end
        }
    }

    /** Leaves the folder to other processes. */
    @Override
    public void close() throws IOException {
        lock.close();
    }
}
