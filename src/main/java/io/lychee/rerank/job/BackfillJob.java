package io.lychee.rerank.job;

import com.fasterxml.jackson.databind.node.ObjectNode;
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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.FileUtils;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reranks files, or the backfill topic up to its current end offsets, into a file or the topics of answers and dead
 * letters. Until the end, a folder of parts holds checkpoints and finished lines, which are joined in the input's
 * order. The same command resumes a run that was cut off from its last checkpoint. Memory depends on the sizes of
 * single lists, not on their number. For one thread.
 */
public final class BackfillJob implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(BackfillJob.class);
    private static final String PARTS = ".parts";

    /** Fields of the run's state: records of the input, about, and end offsets by partition. */
    private static final String TOTAL = "total";

    private static final String ENDS = "ends";

    private final RerankConfig config;
    private final List<Path> inputs;
    private final @Nullable Path output;
    private final Path parts;
    private final RunFolder folder;
    private boolean finished;
    private long total;

    /**
     * Counts of a run that is done, including its earlier processes.
     *
     * @param answered records that became answers
     * @param deadLetters records that could not be read
     */
    public record Result(long answered, long deadLetters, Tally tally) {}

    /**
     * @param inputs in the order of the output; none for the backfill topic
     * @param output null for the topics
     */
    public BackfillJob(RerankConfig config, List<Path> inputs, @Nullable Path output) {
        this.config = config;
        this.inputs = inputs;
        this.output = output;
        this.parts = parts(config, output);
        this.folder = new RunFolder(parts, RunFolder.Kind.BOUNDED);
    }

    private static Path parts(RerankConfig config, @Nullable Path output) {
        return output == null
                ? InputFiles.absolute(config.kafka().backfillResultsTopic() + PARTS)
                : beside(output, PARTS);
    }

    /** Returns the file of records that can't be read, beside {@code output}. */
    public static Path deadLetters(Path output) {
        return beside(output, ".dead-letters.jsonl");
    }

    /** Returns all files and folders that a run with this {@code output}, null for the topics, writes. */
    public static List<Path> outputs(RerankConfig config, @Nullable Path output) {
        Path parts = parts(config, output);
        return output == null ? List.of(parts) : List.of(output, deadLetters(output), parts);
    }

    private static Path beside(Path output, String suffix) {
        return output.resolveSibling(output.getFileName() + suffix);
    }

    /** Returns the folder that is kept until the run is done. */
    public Path parts() {
        return parts;
    }

    /**
     * Checks inputs, output and broker, and that a run that was cut off is the same one.
     *
     * @param restart forgets an earlier run's parts
     * @return counts of the last checkpoint
     * @throws ConfigException when something is missing, damaged, or in use
     */
    public Tally begin(boolean restart) throws IOException {
        return folder.withRoom(() -> {
            if (output != null) {
                OutputFiles.requireReplaceable(output, "--output");
                OutputFiles.requireReplaceable(deadLetters(output), "--output");
            }
            checkTopics();
            folder.open(restart);
            List<String> run = description();
            if (!folder.state().has(RunFolder.RUN)) {
                beginNew(run);
            }
            ObjectNode state = folder.state();
            if (!RunFolder.lines(state.path(RunFolder.RUN)).equals(run)) {
                throw new ConfigException(folder + " holds parts of another run (see " + RunFolder.STATE
                        + " there); --restart deletes them and begins anew");
            }
            finished = folder.isFinished();
            total = state.path(TOTAL).asLong();
            return tally();
        });
    }

    /** Writes the state of a new run after the inputs are read, so that a damaged one can be mended meanwhile. */
    private void beginNew(List<String> run) throws IOException {
        String topic = config.kafka().backfillTopic();
        Map<Integer, Long> ends = new TreeMap<>();
        if (inputs.isEmpty()) {
            topics().ends(topic).forEach((partition, end) -> ends.put(partition.partition(), end));
        }
        long total = inputs.isEmpty() ? topics().waiting(topic) : InputFiles.count(inputs, config);
        folder.update(state -> {
            state.set(ENDS, RunFolder.tree(ends));
            state.put(TOTAL, total);
            state.set(RunFolder.RUN, RunFolder.tree(run));
        });
    }

    private TopicAdmin topics() {
        return new TopicAdmin(config.kafka());
    }

    private Tally tally() throws IOException {
        return new Tally(folder.state().path(TallyOperator.TALLY));
    }

    /** Reads the end offsets of the topic when the run began; empty for files. */
    private Map<TopicPartition, Long> ends() throws IOException {
        Map<TopicPartition, Long> ends = new HashMap<>();
        folder.state().path(ENDS).properties().forEach(end -> {
            int partition = Integer.parseInt(end.getKey());
            ends.put(
                    new TopicPartition(config.kafka().backfillTopic(), partition),
                    end.getValue().asLong());
        });
        return ends;
    }

    /** Counts the records of the input, about; after {@link #begin}. */
    public long total() {
        return total;
    }

    /** Tells whether only {@link #complete} is left to do; after {@link #begin}. */
    public boolean isFinished() {
        return finished;
    }

    /**
     * Runs until every record is answered or dead, unless an earlier process has; after {@link #begin}.
     *
     * @param whileRunning called a few times a second, for progress
     * @return counts of all processes of the run
     * @throws ConfigException when there is no room for the output
     */
    public Tally run(EngineFactory engines, Runnable whileRunning) throws IOException {
        return folder.withRoom(() -> {
            if (!finished) {
                execute(build(engines), whileRunning);
                finished = true;
            }
            return tally();
        });
    }

    /**
     * Joins the parts to one file, commits the topic's end offsets, and deletes the parts; after {@link #run}. The same
     * command repeats what fails, and scores nothing again. One gap is left: a run that is killed after its parts are
     * deleted and before its exit code is known is done, and the same command begins another.
     *
     * @throws ConfigException when there is no room for the output, or the group is in use
     */
    public Result complete() throws IOException {
        return folder.withRoom(() -> {
            Tally tally = tally();
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
            folder.delete();
            return new Result(answers, dead, tally);
        });
    }

    private void checkTopics() {
        TopicCheck check = new TopicCheck(config.kafka());
        Set<String> topics = new LinkedHashSet<>();
        if (inputs.isEmpty()) {
            topics.add(config.kafka().backfillTopic());
        }
        if (output == null) {
            topics.add(config.kafka().backfillResultsTopic());
            topics.add(config.kafka().deadLettersTopic());
            check.checkDelivery().forEach(LOG::warn);
        }
        if (!topics.isEmpty()) {
            check.check(topics).forEach(LOG::warn);
        }
    }

    /** Flink commits what its last checkpoint covers only if it gets to it before the job has ended. */
    private void commit() throws IOException {
        try {
            if (inputs.isEmpty()) {
                topics().commit(ends());
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
    private List<String> description() throws IOException {
        List<String> run = new ArrayList<>();
        for (Path input : inputs) {
            run.add("%s %d bytes, modified %s".formatted(input, Files.size(input), Files.getLastModifiedTime(input)));
        }
        Stream.of(config.model(), config.prompt(), config.preparation(), config.limits(), config.rules())
                .map(String::valueOf)
                .forEach(run::add);
        if (inputs.isEmpty() || output == null) {
            RerankConfig.Kafka kafka = config.kafka();
            run.add(String.join(
                    " ",
                    kafka.bootstrapServers(),
                    kafka.groupId(),
                    kafka.backfillTopic(),
                    kafka.backfillResultsTopic()));
        }
        return run;
    }

    private StreamExecutionEnvironment build(EngineFactory engines) throws IOException {
        Configuration defaults = folder.flink();
        defaults.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
        defaults.set(CheckpointingOptions.ENABLE_CHECKPOINTS_AFTER_TASKS_FINISH, true);
        Configuration flink = RerankJob.settings(config, defaults);
        flink.addAll(defaults); // over flink.*: resuming and finishing depend on them
        if (!inputs.isEmpty() && !flink.contains(StateRecoveryOptions.SAVEPOINT_PATH)) {
            // all files are read again; of a topic, answers are kept, because its offsets may be committed already
            FileUtils.deleteDirectory(parts.resolve(RunFolder.RESULTS).toFile());
            FileUtils.deleteDirectory(parts.resolve(RunFolder.DEAD_LETTERS).toFile());
        }
        // one reader and one writer keep the order; the engine takes most of the time
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(1, flink);
        RerankJob.requireFreePort(config);
        var noWatermarks = WatermarkStrategy.<SourceRecord>noWatermarks();
        DataStream<SourceRecord> records = inputs.isEmpty()
                ? env.fromSource(KafkaSources.boundedLists(config, Lane.BACKFILL, ends()), noWatermarks, "topic")
                        .uid("topic")
                : env.fromSource(
                                new TrackedSource<>(ListFiles.source(inputs, config), config, Lane.BACKFILL),
                                noWatermarks,
                                "files")
                        .uid("files");
        DataStream<OutputRecord> reranked = RerankJob.rerank(records, config, engines, Lane.BACKFILL, !inputs.isEmpty())
                .transform("tally", OutputRecord.TYPE, new TallyOperator(parts.resolve(RunFolder.STATE)))
                .uid("tally");
        if (output == null) {
            String transactions = "bounded-" + folder.state().path(RunFolder.ID).asText();
            reranked.sinkTo(KafkaSinks.outputs(config.kafka(), Lane.BACKFILL, transactions))
                    .uid("topic-outputs");
        } else {
            reranked.sinkTo(OutputParts.sink(parts)).name("outputs").uid("outputs");
        }
        return env;
    }

    private static void execute(StreamExecutionEnvironment env, Runnable whileRunning) {
        try (EmbeddedFlink job = EmbeddedFlink.start(env, "lychee-rerank backfill", new JobID())) {
            while (!job.result().isDone()) {
                whileRunning.run();
                try {
                    job.result().get(300, TimeUnit.MILLISECONDS);
                } catch (TimeoutException e) {
                    // still running
                }
            }
            var unused = job.result().get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        } catch (ExecutionException e) {
            throw new IllegalStateException("the job failed: " + e.getCause(), e.getCause());
        } catch (Exception e) {
            throw new IllegalStateException("the job could not be started: " + e, e);
        }
    }

    @Override
    public void close() throws IOException {
        folder.close();
    }
}
