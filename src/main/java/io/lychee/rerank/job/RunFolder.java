package io.lychee.rerank.job;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.lychee.rerank.config.ConfigException;
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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.flink.util.FileUtils;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps what a bounded run needs to go on after it was cut off, for one process at a time. A folder is a run's only
 * with its {@code version.txt}, whose first line says so, and nothing in it that no run makes; any other is refused,
 * and neither written nor deleted.
 */
final class RunFolder implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(RunFolder.class);

    private static final String DISCARDED = ".discarded";
    private static final String UNFINISHED = ".unfinished";
    private static final String MARKER = "lychee-rerank run, version 1";

    private static final String VERSION = "version.txt";
    private static final String LOCK = "lock";
    private static final String TRANSACTIONS = "transactions.txt";
    private static final String ENDS = "ends.txt";
    private static final String RUN = "run.txt";
    private static final String PROGRESS = "progress.txt";
    private static final String FINISHED = "finished.txt";
    private static final String CHECKPOINTS = "checkpoints";
    private static final String JOINING = "joining";

    static final String RESULTS = "results";
    static final String DEAD_LETTERS = "dead-letters";

    private static final Set<String> NAMES = Set.of(
            VERSION, LOCK, TRANSACTIONS, ENDS, RUN, PROGRESS, FINISHED, CHECKPOINTS, JOINING, RESULTS, DEAD_LETTERS);

    /** A disk with less is full. */
    private static final long LEAST_ROOM_BYTES = 1 << 20;

    /** What a system says when it is not the disk that is full, but a file or an account. */
    private static final List<String> NO_ROOM = List.of("No space left", "File too large", "Disk quota exceeded");

    private final Path folder;
    private @Nullable FileChannel lock;
    private @Nullable String transactions;

    RunFolder(Path folder) {
        this.folder = folder;
    }

    /** Names where {@link #discard} moves a folder to before it deletes it. */
    static Path discarded(Path folder) {
        return folder.resolveSibling(folder.getFileName() + DISCARDED);
    }

    /**
     * Takes the folder for this process; two would write into each other's.
     *
     * @param restart forget an earlier run's parts
     * @throws ConfigException when another process has it, or it is no run's
     */
    void open(boolean restart) throws IOException {
        open();
        transactions = transactions();
        if (restart) {
            discard();
            open();
            transactions = transactions();
        }
    }

    private void open() throws IOException {
        requireOurs(discarded(folder));
        requireOurs(folder);
        Files.createDirectories(folder);
        lock = FileChannel.open(folder.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        if (!locked(lock)) {
            throw new ConfigException(folder + " is in use by another run");
        }
        write(folder.resolve(VERSION), MARKER + "\n");
    }

    private static boolean locked(FileChannel channel) throws IOException {
        try {
            return channel.tryLock() != null;
        } catch (OverlappingFileLockException e) {
            return false; // by this very process
        }
    }

    private static void requireOurs(Path folder) throws IOException {
        if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        if (!OutputFiles.isRealFolder(folder)) {
            throw new ConfigException(folder + " is no folder; a run keeps there what is unfinished: move it away");
        }
        Set<String> names = names(folder);
        if (names.isEmpty()) {
            return;
        }
        if (!isMarked(folder) && !isOlderRun(folder, names)) {
            throw new ConfigException(folder + " was not made by lychee rerank, which would keep there what is"
                    + " unfinished and delete it at the end: move it away, or name another --output");
        }
        Set<String> foreign = names.stream()
                .filter(name -> !NAMES.contains(name.replace(UNFINISHED, "")))
                .collect(Collectors.toCollection(TreeSet::new));
        if (!foreign.isEmpty()) {
            throw new ConfigException(folder + ", which is deleted when the run is done, holds what no run makes: "
                    + String.join(", ", foreign) + "; move that away and give the same command again");
        }
    }

    private static Set<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).collect(Collectors.toSet());
        }
    }

    private static boolean isMarked(Path folder) throws IOException {
        Path version = folder.resolve(VERSION);
        if (!Files.isRegularFile(version)) {
            return false;
        }
        try (var in = Files.newInputStream(version)) {
            return new String(in.readNBytes(MARKER.length() + 1), UTF_8).equals(MARKER + "\n");
        }
    }

    /** Tells whether it was killed before it was marked, or is of a version that marked none. */
    private static boolean isOlderRun(Path folder, Set<String> names) throws IOException {
        Path lock = folder.resolve(LOCK);
        return !names.contains(VERSION)
                && Files.isRegularFile(lock)
                && Files.size(lock) == 0
                && (names.contains(RUN)
                        || names.contains(TRANSACTIONS)
                        || Set.of(LOCK, VERSION + UNFINISHED).containsAll(names));
    }

    /** Returns the part of transaction ids that is this run's alone, also after it was cut off or begun anew. */
    String transactions() throws IOException {
        Path file = folder.resolve(TRANSACTIONS);
        if (!Files.exists(file)) {
            write(file, transactions == null ? "bounded-" + UUID.randomUUID() : transactions);
        }
        return Files.readString(file);
    }

    /**
     * Returns where {@code topic} ended when the run began, also after it was cut off.
     *
     * @param now asked in a new run
     */
    Map<TopicPartition, Long> ends(String topic, Supplier<Map<TopicPartition, Long>> now) throws IOException {
        Path file = folder.resolve(ENDS);
        if (!Files.exists(file)) {
            StringBuilder lines = new StringBuilder();
            now.get().forEach((partition, end) -> lines.append("%d %d%n".formatted(partition.partition(), end)));
            write(file, lines.toString());
        }
        Map<TopicPartition, Long> ends = new HashMap<>();
        for (String line : Files.readAllLines(file)) {
            String[] numbers = line.split(" ", 2);
            ends.put(new TopicPartition(topic, Integer.parseInt(numbers[0])), Long.parseLong(numbers[1]));
        }
        return ends;
    }

    /** Refuses parts of another input, or of other settings, which must not end up in one file. */
    void requireSame(String run) throws IOException {
        Path file = folder.resolve(RUN);
        if (!Files.exists(file)) {
            write(file, run);
        } else if (!Files.readString(file).equals(run)) {
            throw new ConfigException(folder + " holds parts of another run (see run.txt there);"
                    + " --restart deletes them and begins anew");
        }
    }

    BackfillJob.@Nullable Progress progress() throws IOException {
        Path saved = folder.resolve(PROGRESS);
        if (!Files.exists(saved)) {
            return null;
        }
        String[] numbers = Files.readString(saved).strip().split(" of ", 2);
        return new BackfillJob.Progress(Long.parseLong(numbers[0]), Long.parseLong(numbers[1]));
    }

    void save(BackfillJob.Progress progress) {
        try {
            write(folder.resolve(PROGRESS), progress.done() + " of " + progress.total() + "\n");
        } catch (IOException e) {
            LOG.info("progress is not saved, so that a later run will estimate the time left badly: {}", e.toString());
        }
    }

    Path joining() {
        return folder.resolve(JOINING);
    }

    Path checkpoints() {
        return folder.resolve(CHECKPOINTS);
    }

    /** Finds what the run goes on from; Flink numbers checkpoints on where it goes on. */
    Optional<Path> lastCheckpoint() throws IOException {
        try (Stream<Path> files = Files.walk(checkpoints())) {
            return files.filter(file -> file.endsWith("_metadata"))
                    .map(Path::getParent)
                    .max(Comparator.comparing(RunFolder::number));
        } catch (NoSuchFileException e) {
            return Optional.empty(); // none was made yet
        }
    }

    private static long number(Path checkpoint) {
        return Long.parseLong(checkpoint.getFileName().toString().replace("chk-", ""));
    }

    /** Names the file of the counts, which {@link TallyOperator} writes. */
    Path finished() {
        return folder.resolve(FINISHED);
    }

    /**
     * Tells whether the job has ended. While the checkpoint of its counts is there, or a later one, what was written
     * last may not be committed yet. Earlier ones may lie there for good: a job that goes on from one leaves it.
     */
    boolean isFinished() throws IOException {
        if (!Files.exists(finished())) {
            return false;
        }
        long last = tally().checkpoint();
        return last == 0 || lastCheckpoint().stream().noneMatch(checkpoint -> number(checkpoint) >= last);
    }

    /** Reads the counts of a job that has ended. */
    Tally tally() throws IOException {
        return Tally.parse(Files.readString(finished()));
    }

    /**
     * Deletes the folder, renamed first, so that a run that is killed meanwhile does not leave half of its parts to the
     * next. Once it is renamed nothing tells that the run has been.
     */
    void discard() throws IOException {
        requireOurs(folder);
        Path discarded = discarded(folder);
        delete(discarded);
        Files.move(folder, discarded, StandardCopyOption.ATOMIC_MOVE);
        close();
        try {
            delete(discarded);
        } catch (IOException | ConfigException e) {
            LOG.warn("the run is done, but {} could not be deleted: {}", discarded, e.toString());
        }
    }

    /** The marker last, so that what is left of it is known again. */
    private static void delete(Path folder) throws IOException {
        requireOurs(folder);
        if (Files.exists(folder)) {
            for (String name : names(folder)) {
                if (!name.equals(VERSION)) {
                    // Flink's own way, because its cluster may still be clearing away the checkpoints
                    FileUtils.deleteFileOrDirectory(folder.resolve(name).toFile());
                }
            }
            FileUtils.deleteDirectory(folder.toFile());
        }
    }

    /** Replaces a file wholly or not at all. */
    static void write(Path file, String text) throws IOException {
        Path unfinished = file.resolveSibling(file.getFileName() + UNFINISHED);
        Files.writeString(unfinished, text);
        Files.move(unfinished, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Throws a {@link ConfigException} where {@code failure} comes from a full disk. */
    void requireRoom(Exception failure) {
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

    /** Leaves the folder to other processes. */
    @Override
    public void close() throws IOException {
        if (lock != null) {
            lock.close();
            lock = null;
        }
    }
}
