package io.lychee.rerank.job;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import java.io.DataInputStream;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.flink.api.common.JobID;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.core.execution.RecoveryClaimMode;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.util.FileUtils;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the state and the checkpoints from which the same command resumes, for one process at a time. Refuses, and
 * neither writes nor deletes, a folder whose {@code run.json} is not of its kind and version.
 */
class RunFolder implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(RunFolder.class);
    private static final JsonMapper JSON = new JsonMapper();

    static final String STATE = "run.json";
    static final String RESULTS = "results";
    static final String DEAD_LETTERS = "dead-letters";
    private static final String LOCK = "lock";
    private static final String CHECKPOINTS = "checkpoints";
    private static final String JOINING = "joining";
    private static final String UNFINISHED = ".unfinished";

    /** Fields of the state: the layout, a random id, and the lines that tell one run from another. */
    private static final String FORMAT = "format";

    static final String ID = "id";
    static final String RUN = "run";

    /** The state names each input file and partition, so it grows with them. */
    private static final long MAX_STATE_BYTES = 64 << 20;

    /** A disk with less is full. */
    private static final long LEAST_ROOM_BYTES = 1 << 20;

    /** Messages of systems where a file or an account is full, not the disk. */
    private static final List<String> NO_ROOM = List.of("No space left", "File too large", "Disk quota exceeded");

    /** Owner of a folder. A bounded run's is deleted at its end, so it may hold nothing else. */
    enum Kind {
        BOUNDED("lychee rerank", "run", "--output", Set.of(CHECKPOINTS, JOINING, RESULTS, DEAD_LETTERS)),
        JOB("lychee job", "job", ConfigKeys.CHECKPOINT_DIR, Set.of(CHECKPOINTS));

        private final String command;
        private final String process;
        private final String option;

        @SuppressWarnings("ImmutableEnumChecker") // made by Set.of
        private final Set<String> files;

        Kind(String command, String process, String option, Set<String> files) {
            this.command = command;
            this.process = process;
            this.option = option;
            this.files = files;
        }

        String format() {
            return command + ", version 2";
        }
    }

    /** @param number Flink's, which grows from run to run */
    record Checkpoint(Path path, long number) {}

    private final Path folder;
    private final Kind kind;
    private @Nullable FileChannel lock;

    RunFolder(Path folder, Kind kind) {
        this.folder = folder;
        this.kind = kind;
    }

    /**
     * Takes the folder for this process, and marks it. Deletes what a killed {@link #delete} left.
     *
     * @param restart forgets an earlier run, except its id
     * @throws ConfigException when another process has it, or it is no run's
     */
    void open(boolean restart) throws IOException {
        requireOurs();
        Files.createDirectories(folder);
        lock = FileChannel.open(folder.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        if (!isLocked(lock)) {
            throw new ConfigException(folder + " is in use by another " + kind.process + " (" + kind.option + ")");
        }
        if (restart || !state().has(RUN)) {
            forget();
        }
    }

    /** Forgets the run in one step, and only then deletes its files, so that a kill leaves nothing to resume from. */
    private void forget() throws IOException {
        String id = state().path(ID).asText(new JobID().toHexString());
        update(state -> state.removeAll().put(FORMAT, kind.format()).put(ID, id));
        for (String name : names()) {
            if (kind.files.contains(name)) {
                // Flink's own way, because its cluster may still be deleting checkpoints
                FileUtils.deleteFileOrDirectory(folder.resolve(name).toFile());
            }
        }
    }

    /** Deletes the folder of a run that is done; a rest of it is no error, and the next {@link #open} deletes it. */
    void delete() throws IOException {
        requireOurs();
        try {
            forget();
            close();
            FileUtils.deleteDirectory(folder.toFile());
        } catch (IOException e) {
            LOG.warn("the run is done, but {} could not be deleted: {}", folder, e.toString());
        }
    }

    private static boolean isLocked(FileChannel channel) throws IOException {
        try {
            return channel.tryLock() != null;
        } catch (OverlappingFileLockException e) {
            return false; // by this very process
        }
    }

    private void requireOurs() throws IOException {
        if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        if (kind == Kind.BOUNDED ? !Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS) : !Files.isDirectory(folder)) {
            throw new ConfigException(folder + " is no folder; a run keeps there what is unfinished: move it away");
        }
        Set<String> names = names();
        if (!state().path(FORMAT).asText().equals(kind.format()) && !isUnmarked(names)) {
            throw new ConfigException(folder + " was not made by " + kind.command + ", or by another version of it; it"
                    + " keeps there what is unfinished: move it away, or name another (" + kind.option + ")");
        }
        names.removeAll(kind.files);
        names.removeAll(Set.of(STATE, LOCK, STATE + UNFINISHED));
        if (kind == Kind.BOUNDED && !names.isEmpty()) {
            throw new ConfigException(folder + ", which is deleted when the run is done, holds what no run makes: "
                    + String.join(", ", names) + "; move that away and give the same command again");
        }
    }

    /** Tells whether the folder is empty, or its process was killed before it marked it. */
    private boolean isUnmarked(Set<String> names) throws IOException {
        return names.isEmpty()
                || (names.contains(LOCK)
                        && Set.of(LOCK, STATE + UNFINISHED).containsAll(names)
                        && Files.size(folder.resolve(LOCK)) == 0);
    }

    private Set<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).collect(Collectors.toCollection(TreeSet::new));
        }
    }

    /** Reads the state; an empty object where the folder has none. */
    ObjectNode state() throws IOException {
        return read(folder.resolve(STATE));
    }

    void update(Consumer<ObjectNode> change) throws IOException {
        update(folder.resolve(STATE), change);
    }

    /** Replaces a state file as a whole or not at all. For one thread at a time. */
    static void update(Path file, Consumer<ObjectNode> change) throws IOException {
        ObjectNode state = read(file);
        change.accept(state);
        Path unfinished = file.resolveSibling(file.getFileName() + UNFINISHED);
        Files.writeString(unfinished, state.toPrettyString());
        Files.move(unfinished, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private static ObjectNode read(Path file) throws IOException {
        if (Files.isRegularFile(file) && Files.size(file) <= MAX_STATE_BYTES) {
            try {
                if (JSON.readTree(file.toFile()) instanceof ObjectNode state) {
                    return state;
                }
            } catch (JsonProcessingException e) {
                // no state of ours
            }
        }
        return JSON.createObjectNode();
    }

    /** Converts a map or list to a field of the state. */
    static JsonNode tree(Object value) {
        return JSON.valueToTree(value);
    }

    /** Reads a list of strings from a field of the state; empty where it is missing. */
    static List<String> lines(JsonNode field) {
        return field.valueStream().map(JsonNode::asText).toList();
    }

    public Path path() {
        return folder;
    }

    Path joining() {
        return folder.resolve(JOINING);
    }

    /** Configures Flink to keep its checkpoints here, and to resume from the last one where there is one. */
    Configuration flink() throws IOException {
        Configuration flink = new Configuration();
        flink.set(
                CheckpointingOptions.CHECKPOINTS_DIRECTORY,
                folder.resolve(CHECKPOINTS).toUri().toString());
        flink.set(
                CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION,
                ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
        Optional<Checkpoint> last = lastCheckpoint();
        if (last.isPresent()) {
            flink.set(
                    StateRecoveryOptions.SAVEPOINT_PATH,
                    last.get().path().toUri().toString());
            if (kind == Kind.JOB) {
                // the one that is resumed goes away with the next complete one
                flink.set(StateRecoveryOptions.RESTORE_MODE, RecoveryClaimMode.CLAIM);
            }
        }
        return flink;
    }

    /** Finds the last complete checkpoint or savepoint; Flink continues its numbers. */
    Optional<Checkpoint> lastCheckpoint() throws IOException {
        try (Stream<Path> files = Files.walk(folder.resolve(CHECKPOINTS), 3)) {
            return files.filter(file -> file.endsWith("_metadata"))
                    .flatMap(file -> checkpoint(Objects.requireNonNull(file.getParent())).stream())
                    .max(Comparator.comparingLong(Checkpoint::number));
        } catch (NoSuchFileException e) {
            return Optional.empty(); // Flink has written none yet
        }
    }

    private static Optional<Checkpoint> checkpoint(Path path) {
        try (DataInputStream metadata = new DataInputStream(Files.newInputStream(path.resolve("_metadata")))) {
            ClassLoader loader = RunFolder.class.getClassLoader();
            long number = Checkpoints.loadCheckpointMetadata(metadata, loader, path.toString())
                    .getCheckpointId();
            return Optional.of(new Checkpoint(path, number));
        } catch (IOException | RuntimeException e) {
            return Optional.empty(); // not written to its end
        }
    }

    /**
     * Tells whether the job has ended. While its last checkpoint exists, or a later one, the last outputs may not be
     * committed yet. An earlier one may stay: a job that resumes from a checkpoint leaves it.
     */
    boolean isFinished() throws IOException {
        JsonNode ended = state().path(TallyOperator.ENDED);
        return ended.isNumber()
                && lastCheckpoint().stream().noneMatch(checkpoint -> checkpoint.number() >= ended.asLong());
    }

    /** Calls {@code work}; throws a {@link ConfigException} where it fails because a disk is full. */
    <T> T withRoom(Callable<T> work) throws IOException {
        try {
            return work.call();
        } catch (IOException | RuntimeException e) {
            requireRoom(e);
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private void requireRoom(Exception failure) {
        Path disk = folder.getParent();
        boolean full = disk != null && disk.toFile().getUsableSpace() < LEAST_ROOM_BYTES;
        for (Throwable cause = failure; cause != null && !full; cause = cause.getCause()) {
            full = NO_ROOM.stream().anyMatch(String.valueOf(cause.getMessage())::contains);
        }
        if (full) {
            throw new ConfigException(
                    "no room is left to write below " + disk + "; what is finished is kept in " + folder
                            + ": make room and give the same command again",
                    failure);
        }
    }

    @Override
    public void close() throws IOException {
        if (lock != null) {
            lock.close();
            lock = null;
        }
    }

    @Override
    public String toString() {
        return folder.toString();
    }
}
