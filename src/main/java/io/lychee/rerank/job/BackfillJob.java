package io.lychee.rerank.job;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.kafka.BrokerCheck;
import io.lychee.rerank.kafka.KafkaSinks;
import io.lychee.rerank.kafka.KafkaSources;
import io.lychee.rerank.kafka.OutputRecord;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.kafka.TrackedSource;
import io.lychee.rerank.scoring.EngineFactory;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongSupplier;
import java.util.stream.Stream;
import org.apache.flink.api.common.JobExecutionResult;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.accumulators.LongCounter;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.serialization.Encoder;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.filesystem.BucketAssigner;
import org.apache.flink.streaming.api.functions.sink.filesystem.bucketassigners.SimpleVersionedStringSerializer;
import org.apache.flink.streaming.api.functions.sink.filesystem.rollingpolicies.OnCheckpointRollingPolicy;
import org.apache.flink.util.FileUtils;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The same operator over something that ends: files, or the backfill topic up to where it ends now; into a file, or the
 * topics of answers and dead letters. Until all is done, checkpoints lie in a folder of parts, and so do finished
 * lines, which are joined in the input's order at the end. A run that was cut off goes on from its last checkpoint.
 * What is in memory depends on the sizes of single lists, not on how many there are. For one thread.
 */
public final class BackfillJob implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(BackfillJob.class);
    private static final String RESULTS = "results";
    private static final String DEAD_LETTERS = "dead-letters";
    private static final String PARTS = ".parts";
    private static final String DISCARDED = ".discarded";
    private static final Duration BROKER = Duration.ofSeconds(10);
    private static final Duration SAVE_PROGRESS = Duration.ofSeconds(2);

    /** A disk with less is full. */
    private static final long LEAST_ROOM_BYTES = 1 << 20;

    /** What a system says when it is not the disk that is full, but a file or an account. */
    private static final List<String> NO_ROOM = List.of("No space left", "File too large", "Disk quota exceeded");

    private final RerankConfig config;
    private final List<Path> inputs;
    private final @Nullable Path output;
    private final Path parts;
    private @Nullable FileChannel lock;
    private @Nullable String transactions;
    private Map<TopicPartition, Long> ends = Map.of();
    private Progress progress = new Progress(0, 0);

    /** @param answered records that became answers; {@code deadLetters} those that could not be read */
    public record Result(long answered, long deadLetters) {}

    /**
     * How far a run was when it was cut off, about.
     *
     * @param done lists, of {@code total}
     */
    public record Progress(long done, long total) {}

    /**
     * @param inputs in the order of the output; none for the backfill topic
     * @param output null for the topics
     */
    public BackfillJob(RerankConfig config, List<Path> inputs, @Nullable Path output) {
        this.config = config;
        this.inputs = inputs;
        this.output = output;
        this.parts = output == null
                ? InputFiles.absolute(config.kafka().backfillResultsTopic() + PARTS)
                : beside(output, PARTS);
    }

    /** Where records that can't be read go, beside {@code output}. */
    public static Path deadLetters(Path output) {
        return beside(output, ".dead-letters.jsonl");
    }

    /** All that a run with this {@code output} writes: never its input. */
    public static List<Path> outputs(Path output) {
        return List.of(output, deadLetters(output), beside(output, PARTS), beside(beside(output, PARTS), DISCARDED));
    }

    private static Path beside(Path output, String suffix) {
        return output.resolveSibling(output.getFileName() + suffix);
    }

    /** What is kept until the run is done. */
    public Path parts() {
        return parts;
    }

    /**
     * Checks inputs, output and broker, and whether this is the run that was cut off.
     *
     * @param restart forget an earlier run's parts
     * @return where it was
     * @throws ConfigException when something is missing, damaged, or in use
     */
    public Progress begin(boolean restart) throws IOException {
        try {
            checkOutput();
            checkTopics();
            open();
            transactions = transactions();
            if (restart) {
                discard();
                open();
                transactions = transactions();
            }
            ends = inputs.isEmpty() ? ends() : Map.of();
            progress = readProgress();
            boolean counted = progress.total() > 0;
            if (!counted) {
                long total = inputs.isEmpty()
                        ? new BrokerCheck(config.kafka(), BROKER)
                                .waiting(config.kafka().backfillTopic())
                        : InputFiles.count(inputs, config);
                progress = new Progress(0, total);
            }
            // only now, so that a damaged file can be mended without --restart
            checkSameRun();
            if (!counted) {
                saveProgress(0);
            }
            return progress;
        } catch (IOException e) {
            throwIfNoRoom(e);
            throw e;
        }
    }

    /**
     * Runs until every record is answered or dead; after {@link #begin}.
     *
     * @param answered how many lists the engine has answered in this run so far
     * @param whileRunning called a few times a second, for progress
     * @throws ConfigException when there is no room for the output
     */
    public Result run(EngineFactory engines, LongSupplier answered, Runnable whileRunning) throws IOException {
        try {
            if (output == null) {
                JobExecutionResult result = execute(build(engines), answered, whileRunning);
                commit();
                discard();
                return new Result(result.getAccumulatorResult(RESULTS), result.getAccumulatorResult(DEAD_LETTERS));
            }
            // Flink drops the checkpoints of a finished job: where joining fails, nothing else tells that all is done
            Path finished = parts.resolve("finished.txt");
            if (!Files.exists(finished)) {
                execute(build(engines), answered, whileRunning);
                Files.createFile(finished);
            }
            long lines = Parts.join(parts.resolve(RESULTS), output);
            long dead = Parts.join(parts.resolve(DEAD_LETTERS), deadLetters(output));
            if (dead == 0) {
                Files.deleteIfExists(deadLetters(output));
            }
            commit();
            discard();
            return new Result(lines, dead);
        } catch (IOException | IllegalStateException e) {
            throwIfNoRoom(e);
            throw e;
        }
    }

    private void checkOutput() {
        if (output == null) {
            return;
        }
        Path folder = output.getParent();
        if (folder == null || !Files.isDirectory(folder) || !Files.isWritable(folder)) {
            throw new ConfigException("folder " + folder + " is not there or can't be written (--output)");
        }
        if (Files.isDirectory(output)) {
            throw new ConfigException(output + " is a folder; expected a file name (--output)");
        }
    }

    private void checkTopics() {
        Set<String> topics = new LinkedHashSet<>();
        if (inputs.isEmpty()) {
            topics.add(config.kafka().backfillTopic());
        }
        if (output == null) {
            topics.add(config.kafka().backfillResultsTopic());
            topics.add(config.kafka().deadLettersTopic());
        }
        if (topics.isEmpty()) {
            return;
        }
        BrokerCheck broker = new BrokerCheck(config.kafka(), BROKER);
        List<String> warnings = new ArrayList<>(broker.check(topics));
        if (output == null) {
            warnings.addAll(broker.checkDelivery());
        }
        warnings.forEach(LOG::warn);
    }

    /** Takes the folder of parts for this process; two would write into each other's. */
    private void open() throws IOException {
        Files.createDirectories(parts);
        lock = FileChannel.open(parts.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            if (lock.tryLock() != null) {
                return;
            }
        } catch (OverlappingFileLockException e) {
            // by this very process
        }
        throw new ConfigException(parts + " is in use by another run");
    }

    /** What is part of this run's transaction ids and of no other's, also after it was cut off or begun anew. */
    private String transactions() throws IOException {
        Path file = parts.resolve("transactions.txt");
        if (!Files.exists(file)) {
            write(file, transactions == null ? "bounded-" + UUID.randomUUID() : transactions);
        }
        return Files.readString(file);
    }

    /** Where the topic ended when the run began, also after it was cut off: a line for each partition. */
    private Map<TopicPartition, Long> ends() throws IOException {
        String topic = config.kafka().backfillTopic();
        Path file = parts.resolve("ends.txt");
        if (!Files.exists(file)) {
            StringBuilder lines = new StringBuilder();
            new BrokerCheck(config.kafka(), BROKER)
                    .ends(topic)
                    .forEach((partition, end) -> lines.append("%d %d%n".formatted(partition.partition(), end)));
            write(file, lines.toString());
        }
        Map<TopicPartition, Long> ends = new HashMap<>();
        for (String line : Files.readAllLines(file)) {
            String[] numbers = line.split(" ", 2);
            ends.put(new TopicPartition(topic, Integer.parseInt(numbers[0])), Long.parseLong(numbers[1]));
        }
        return ends;
    }

    /** Flink commits what its last checkpoint covers only if it gets to it before the job has ended. */
    private void commit() {
        if (!ends.isEmpty()) {
            new BrokerCheck(config.kafka(), BROKER).commit(ends);
        }
    }

    /** In one step first, so that a run that is killed meanwhile does not leave half of its parts to the next. */
    private void discard() throws IOException {
        Path discarded = beside(parts, DISCARDED);
        FileUtils.deleteDirectory(discarded.toFile());
        Files.move(parts, discarded, StandardCopyOption.ATOMIC_MOVE);
        close();
        // Flink's own way, because its cluster may still be clearing away the checkpoints
        FileUtils.deleteDirectory(discarded.toFile());
    }

    /** Parts of another input, or of other settings, must not end up in one file. */
    private void checkSameRun() throws IOException {
        StringBuilder run = new StringBuilder();
        for (Path input : inputs) {
            run.append(
                    "%s %d bytes, modified %s%n".formatted(input, Files.size(input), Files.getLastModifiedTime(input)));
        }
        run.append("%s%n%s%n%s%n%s%n%s%n"
                .formatted(config.model(), config.prompt(), config.preparation(), config.limits(), config.rules()));
        if (inputs.isEmpty() || output == null) {
            // not the clients' properties, which may hold passwords
            run.append("%s %s %s %s%n"
                    .formatted(
                            config.kafka().bootstrapServers(),
                            config.kafka().groupId(),
                            config.kafka().backfillTopic(),
                            config.kafka().backfillResultsTopic()));
        }
        Path marker = parts.resolve("run.txt");
        if (!Files.exists(marker)) {
            write(marker, run.toString());
        } else if (!Files.readString(marker).contentEquals(run)) {
            throw new ConfigException(parts + " holds parts of another run (see run.txt there);"
                    + " --restart deletes them and begins anew");
        }
    }

    private Progress readProgress() throws IOException {
        Path saved = parts.resolve("progress.txt");
        if (!Files.exists(saved)) {
            return progress;
        }
        String[] numbers = Files.readString(saved).strip().split(" of ", 2);
        return new Progress(Long.parseLong(numbers[0]), Long.parseLong(numbers[1]));
    }

    private void saveProgress(long answered) {
        try {
            write(parts.resolve("progress.txt"), progress.done() + answered + " of " + progress.total() + "\n");
        } catch (IOException e) {
            LOG.info("progress is not saved, so that a later run will estimate the time left badly: {}", e.toString());
        }
    }

    /** Wholly or not at all. */
    private static void write(Path file, String text) throws IOException {
        Path unfinished = beside(file, ".unfinished");
        Files.writeString(unfinished, text);
        Files.move(unfinished, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private StreamExecutionEnvironment build(EngineFactory engines) throws IOException {
        Configuration defaults = new Configuration();
        defaults.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
        defaults.set(
                CheckpointingOptions.CHECKPOINTS_DIRECTORY,
                parts.resolve("checkpoints").toUri().toString());
        defaults.set(
                CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION,
                ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
        defaults.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
        Configuration flink = RerankJob.settings(config, defaults);
        Optional<Path> checkpoint = lastCheckpoint();
        if (checkpoint.isPresent()) {
            flink.set(StateRecoveryOptions.SAVEPOINT_PATH, checkpoint.get().toString());
        } else if (!inputs.isEmpty()) {
            // all files are read again; of a topic, answers are kept, because its offsets may be committed already
            FileUtils.deleteDirectory(parts.resolve(RESULTS).toFile());
            FileUtils.deleteDirectory(parts.resolve(DEAD_LETTERS).toFile());
        }
        // one reader and one writer keep the order; the engine is what takes the time
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(1, flink);
        RerankJob.requireFreePort(config);
        var noWatermarks = WatermarkStrategy.<SourceRecord>noWatermarks();
        DataStream<SourceRecord> records = inputs.isEmpty()
                ? env.fromSource(KafkaSources.boundedLists(config, Lane.BACKFILL, ends), noWatermarks, "topic")
                        .uid("topic")
                : env.fromSource(
                                new TrackedSource<>(ListFiles.source(inputs, config), config, Lane.BACKFILL, null),
                                noWatermarks,
                                "files")
                        .uid("files");
        DataStream<OutputRecord> reranked =
                RerankJob.rerank(records, config, engines, Lane.BACKFILL, !inputs.isEmpty());
        if (output == null) {
            reranked.map(new Count())
                    .returns(OutputRecord.TYPE)
                    .sinkTo(KafkaSinks.outputs(
                            config.kafka(), Lane.BACKFILL, Objects.requireNonNull(transactions, "begin() first")))
                    .uid("topic-outputs");
        } else {
            reranked.sinkTo(sink()).name("outputs").uid("outputs");
        }
        return env;
    }

    /** Of this run; one that goes on counts anew. */
    private static final class Count extends RichMapFunction<OutputRecord, OutputRecord> {

        private static final long serialVersionUID = 1;

        private final LongCounter results = new LongCounter();
        private final LongCounter deadLetters = new LongCounter();

        @Override
        public void open(OpenContext context) {
            getRuntimeContext().addAccumulator(RESULTS, results);
            getRuntimeContext().addAccumulator(DEAD_LETTERS, deadLetters);
        }

        @Override
        public OutputRecord map(OutputRecord record) {
            (record.deadLetter ? deadLetters : results).add(1);
            return record;
        }
    }

    private FileSink<OutputRecord> sink() {
        Encoder<OutputRecord> encoder = (OutputRecord record, OutputStream stream) ->
                stream.write((Parts.line(record.position, new String(record.value, StandardCharsets.UTF_8)) + "\n")
                        .getBytes(StandardCharsets.UTF_8));
        return FileSink.forRowFormat(new org.apache.flink.core.fs.Path(parts.toUri()), encoder)
                .withBucketAssigner(new ByKind())
                .withRollingPolicy(OnCheckpointRollingPolicy.build())
                .build();
    }

    /** Answers and dead letters go to folders of their own. */
    private static final class ByKind implements BucketAssigner<OutputRecord, String> {

        private static final long serialVersionUID = 1;

        @Override
        public String getBucketId(OutputRecord record, Context context) {
            return record.deadLetter ? DEAD_LETTERS : RESULTS;
        }

        @Override
        public SimpleVersionedSerializer<String> getSerializer() {
            return SimpleVersionedStringSerializer.INSTANCE;
        }
    }

    private Optional<Path> lastCheckpoint() {
        try (Stream<Path> files = Files.walk(parts.resolve("checkpoints"))) {
            return files.filter(f -> f.endsWith("_metadata"))
                    .map(Path::getParent)
                    .max(Comparator.comparing(checkpoint -> checkpoint.toFile().lastModified()));
        } catch (IOException e) {
            return Optional.empty(); // none was made yet
        }
    }

    private JobExecutionResult execute(StreamExecutionEnvironment env, LongSupplier answered, Runnable whileRunning) {
        try (EmbeddedFlink job = EmbeddedFlink.start(env, "lychee-rerank backfill", new JobID())) {
            var done = job.result();
            long saved = System.nanoTime();
            while (!done.isDone()) {
                whileRunning.run();
                if (System.nanoTime() - saved > SAVE_PROGRESS.toNanos()) {
                    saved = System.nanoTime();
                    saveProgress(answered.getAsLong());
                }
                try {
                    done.get(300, TimeUnit.MILLISECONDS);
                } catch (TimeoutException e) {
                    // still running
                }
            }
            return done.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        } catch (ExecutionException e) {
            throw new IllegalStateException("the job failed: " + e.getCause(), e.getCause());
        } catch (Exception e) {
            throw new IllegalStateException("the job could not be started: " + e, e);
        }
    }

    private void throwIfNoRoom(Exception failure) {
        Path folder = parts.getParent();
        boolean full = folder != null && folder.toFile().getUsableSpace() < LEAST_ROOM_BYTES;
        for (Throwable cause = failure; cause != null && !full; cause = cause.getCause()) {
            full = NO_ROOM.stream().anyMatch(String.valueOf(cause.getMessage())::contains);
        }
        if (full) {
            throw new ConfigException(
                    "no room is left to write below " + folder + "; what is finished is kept in " + parts
                            + ": make room and give the same command again",
                    failure);
        }
    }

    /** Leaves the parts to other processes. */
    @Override
    public void close() throws IOException {
        if (lock != null) {
            lock.close();
            lock = null;
        }
    }
}
