package io.lychee.rerank.job;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.kafka.KafkaSinks;
import io.lychee.rerank.kafka.KafkaSources;
import io.lychee.rerank.kafka.OutputRecord;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.kafka.TopicCheck;
import io.lychee.rerank.kafka.TrackedSource;
import io.lychee.rerank.scoring.EngineFactory;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongSupplier;
import java.util.stream.Stream;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
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
import org.apache.kafka.common.KafkaException;
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
    private static final String PARTS = ".parts";
    private static final Duration BROKER = Duration.ofSeconds(10);
    private static final Duration SAVE_PROGRESS = Duration.ofSeconds(2);

    private final RerankConfig config;
    private final List<Path> inputs;
    private final @Nullable Path output;
    private final Path parts;
    private final RunFolder folder;
    private boolean finished;
    private @Nullable String transactions;
    private Map<TopicPartition, Long> ends = Map.of();
    private Progress progress = new Progress(0, 0);

    /**
     * A run that is done, also where it was cut off meanwhile.
     *
     * @param answered records that became answers
     * @param deadLetters those that could not be read
     * @param tally what a version that did not count yet has done is missing there
     */
    public record Result(long answered, long deadLetters, Tally tally) {}

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
        this.parts = parts(config, output);
        this.folder = new RunFolder(parts);
    }

    private static Path parts(RerankConfig config, @Nullable Path output) {
        return output == null
                ? InputFiles.absolute(config.kafka().backfillResultsTopic() + PARTS)
                : beside(output, PARTS);
    }

    /** Where records that can't be read go, beside {@code output}. */
    public static Path deadLetters(Path output) {
        return beside(output, ".dead-letters.jsonl");
    }

    /** All that a run with this {@code output}, null for the topics, writes: never its input. */
    public static List<Path> outputs(RerankConfig config, @Nullable Path output) {
        Path parts = parts(config, output);
        List<Path> folders = List.of(parts, RunFolder.discarded(parts));
        return output == null
                ? folders
                : Stream.concat(Stream.of(output, deadLetters(output)), folders.stream())
                        .toList();
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
            if (output != null) {
                OutputFiles.requireReplaceable(output, "--output");
                OutputFiles.requireReplaceable(deadLetters(output), "--output");
            }
            checkTopics();
            folder.open(restart);
            transactions = folder.transactions();
            String topic = config.kafka().backfillTopic();
            ends = inputs.isEmpty() ? folder.ends(topic, () -> topics().ends(topic)) : Map.of();
            Progress saved = folder.progress();
            progress = saved != null
                    ? saved
                    : new Progress(0, inputs.isEmpty() ? topics().waiting(topic) : InputFiles.count(inputs, config));
            // only now, so that a damaged file can be mended without --restart
            folder.requireSame(description());
            if (saved == null) {
                folder.save(progress);
            }
            finished = folder.isFinished();
            return progress;
        } catch (IOException e) {
            folder.requireRoom(e);
            throw e;
        }
    }

    private TopicAdmin topics() {
        return new TopicAdmin(config.kafka(), BROKER);
    }

    /** Tells whether only {@link #complete} is left to do; after {@link #begin}. */
    public boolean isFinished() {
        return finished;
    }

    /**
     * Runs until every record is answered or dead, unless an earlier process has; after {@link #begin}.
     *
     * @param answered how many lists the engine has answered in this run so far
     * @param whileRunning called a few times a second, for progress
     * @return what was answered, by earlier processes too
     * @throws ConfigException when there is no room for the output
     */
    public Tally run(EngineFactory engines, LongSupplier answered, Runnable whileRunning) throws IOException {
        try {
            if (!finished) {
                execute(build(engines), answered, whileRunning);
                finished = true;
            }
            return folder.tally();
        } catch (IOException | IllegalStateException e) {
            folder.requireRoom(e);
            throw e;
        }
    }

    /**
     * Makes one file of the parts, commits where the topic was read to, and deletes the parts; after {@link #run}. What
     * fails is done by the next run, which scores nothing again. From the moment the parts are gone until the process
     * has told its exit code, there is one gap: a run killed there is done, and the same command begins another.
     *
     * @throws ConfigException when there is no room for the output, or the group is in use
     */
    public Result complete() throws IOException {
        try {
            Tally tally = folder.tally();
            long answers = tally.answers();
            long dead = tally.deadLetters();
            if (output != null) {
                answers = OutputParts.join(parts.resolve(RunFolder.RESULTS), folder.joining(), output);
                dead = OutputParts.join(parts.resolve(RunFolder.DEAD_LETTERS), folder.joining(), deadLetters(output));
                if (dead == 0) {
                    Files.deleteIfExists(deadLetters(output));
                }
            }
            commit();
            folder.discard();
            return new Result(answers, dead, tally);
        } catch (IOException e) {
            folder.requireRoom(e);
            throw e;
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
        List<String> warnings = new ArrayList<>(new TopicCheck(config.kafka(), BROKER).check(topics));
        if (output == null) {
            warnings.addAll(new TopicCheck(config.kafka(), BROKER).checkDelivery());
        }
        warnings.forEach(LOG::warn);
    }

    /** Flink commits what its last checkpoint covers only if it gets to it before the job has ended. */
    private void commit() {
        try {
            if (!ends.isEmpty()) {
                topics().commit(ends);
            }
        } catch (KafkaException e) {
            throw new ConfigException(
                    "every list is answered, but where the topic was read to could not be committed for the group "
                            + config.kafka().groupId() + " (kafka.group-id): " + e.getMessage()
                            + "; give the same command again, which only commits, when nothing else uses the group",
                    e);
        }
    }

    /** Describes inputs and settings, without the clients' properties, which may hold passwords. */
    private String description() throws IOException {
        StringBuilder run = new StringBuilder();
        for (Path input : inputs) {
            run.append(
                    "%s %d bytes, modified %s%n".formatted(input, Files.size(input), Files.getLastModifiedTime(input)));
        }
        run.append("%s%n%s%n%s%n%s%n%s%n"
                .formatted(config.model(), config.prompt(), config.preparation(), config.limits(), config.rules()));
        if (inputs.isEmpty() || output == null) {
            run.append("%s %s %s %s%n"
                    .formatted(
                            config.kafka().bootstrapServers(),
                            config.kafka().groupId(),
                            config.kafka().backfillTopic(),
                            config.kafka().backfillResultsTopic()));
        }
        return run.toString();
    }

    private StreamExecutionEnvironment build(EngineFactory engines) throws IOException {
        Configuration defaults = new Configuration();
        defaults.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
        defaults.set(
                CheckpointingOptions.CHECKPOINTS_DIRECTORY,
                folder.checkpoints().toUri().toString());
        defaults.set(
                CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION,
                ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
        defaults.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
        defaults.set(CheckpointingOptions.ENABLE_CHECKPOINTS_AFTER_TASKS_FINISH, true);
        Configuration flink = RerankJob.settings(config, defaults);
        flink.addAll(defaults); // over flink.*: what a run goes on from, and when it is done, depends on them
        Optional<Path> checkpoint = folder.lastCheckpoint();
        if (checkpoint.isPresent()) {
            flink.set(StateRecoveryOptions.SAVEPOINT_PATH, checkpoint.get().toString());
        } else if (!inputs.isEmpty()) {
            // all files are read again; of a topic, answers are kept, because its offsets may be committed already
            FileUtils.deleteDirectory(parts.resolve(RunFolder.RESULTS).toFile());
            FileUtils.deleteDirectory(parts.resolve(RunFolder.DEAD_LETTERS).toFile());
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
        DataStream<OutputRecord> reranked = RerankJob.rerank(records, config, engines, Lane.BACKFILL, !inputs.isEmpty())
                .transform("tally", OutputRecord.TYPE, new TallyOperator(folder.finished()))
                .uid("tally");
        if (output == null) {
            reranked.sinkTo(KafkaSinks.outputs(
                            config.kafka(), Lane.BACKFILL, Objects.requireNonNull(transactions, "begin() first")))
                    .uid("topic-outputs");
        } else {
            reranked.sinkTo(sink()).name("outputs").uid("outputs");
        }
        return env;
    }

    private FileSink<OutputRecord> sink() {
        Encoder<OutputRecord> encoder = (OutputRecord record, OutputStream stream) -> stream.write(
                (OutputParts.line(record.position, new String(record.value, StandardCharsets.UTF_8)) + "\n")
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
            return record.deadLetter ? RunFolder.DEAD_LETTERS : RunFolder.RESULTS;
        }

        @Override
        public SimpleVersionedSerializer<String> getSerializer() {
            return SimpleVersionedStringSerializer.INSTANCE;
        }
    }

    private void execute(StreamExecutionEnvironment env, LongSupplier answered, Runnable whileRunning) {
        try (EmbeddedFlink job = EmbeddedFlink.start(env, "lychee-rerank backfill", new JobID())) {
            var done = job.result();
            long saved = System.nanoTime();
            while (!done.isDone()) {
                whileRunning.run();
                if (System.nanoTime() - saved > SAVE_PROGRESS.toNanos()) {
                    saved = System.nanoTime();
                    folder.save(new Progress(progress.done() + answered.getAsLong(), progress.total()));
                }
                try {
                    done.get(300, TimeUnit.MILLISECONDS);
                } catch (TimeoutException e) {
                    // still running
                }
            }
            var unused = done.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        } catch (ExecutionException e) {
            throw new IllegalStateException("the job failed: " + e.getCause(), e.getCause());
        } catch (Exception e) {
            throw new IllegalStateException("the job could not be started: " + e, e);
        }
    }

    /** Leaves the parts to other processes. */
    @Override
    public void close() throws IOException {
        folder.close();
    }
}
