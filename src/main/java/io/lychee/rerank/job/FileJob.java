package io.lychee.rerank.job;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.kafka.OutputRecord;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.scoring.EngineFactory;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.Encoder;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.connector.file.src.enumerate.NonSplittingRecursiveEnumerator;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.filesystem.BucketAssigner;
import org.apache.flink.streaming.api.functions.sink.filesystem.bucketassigners.SimpleVersionedStringSerializer;
import org.apache.flink.streaming.api.functions.sink.filesystem.rollingpolicies.OnCheckpointRollingPolicy;
import org.apache.flink.util.FileUtils;

/**
 * File to file: the same operator over the lines of one file, bounded. Finished lines lie in {@code OUTPUT.parts/} with
 * the checkpoints until all are done; then they are joined in the input's order.
 */
public final class FileJob {

    private static final String RESULTS = "results";
    private static final String DEAD_LETTERS = "dead-letters";

    private final RerankConfig config;
    private final Path input;
    private final Path output;
    private final Path parts;

    /** @param answered lines that became answers; {@code deadLetters} those that could not be read */
    public record Result(long answered, long deadLetters) {}

    public FileJob(RerankConfig config, Path input, Path output) {
        this.config = config;
        this.input = input.toAbsolutePath();
        this.output = output.toAbsolutePath();
        this.parts = this.output.resolveSibling(this.output.getFileName() + ".parts");
    }

    /** Where lines that can't be read go. */
    public Path deadLetters() {
        return output.resolveSibling(output.getFileName() + ".dead-letters.jsonl");
    }

    /**
     * Runs until every line is answered or dead. A run that was cut off goes on from its last checkpoint.
     *
     * @param restart forget an earlier run's parts
     * @param whileRunning called a few times a second, for progress
     * @throws ConfigException when input or output can't be used
     */
    public Result run(EngineFactory engines, boolean restart, Runnable whileRunning) throws IOException {
        check();
        if (restart) {
            FileUtils.deleteDirectory(parts.toFile());
        }
        Files.createDirectories(parts);
        checkSameRun();
        execute(build(engines), whileRunning);
        long answered = Parts.join(parts.resolve(RESULTS), output);
        long dead = Parts.join(parts.resolve(DEAD_LETTERS), deadLetters());
        if (dead == 0) {
            Files.deleteIfExists(deadLetters());
        }
        // Flink's own way, because its cluster may still be clearing away the checkpoints
        FileUtils.deleteDirectory(parts.toFile());
        return new Result(answered, dead);
    }

    private void check() {
        if (!Files.isRegularFile(input) || !Files.isReadable(input)) {
            throw new ConfigException("no file " + input + " that can be read (--input)");
        }
        Path folder = output.getParent();
        if (folder == null || !Files.isDirectory(folder) || !Files.isWritable(folder)) {
            throw new ConfigException("folder " + folder + " is not there or can't be written (--output)");
        }
        if (Files.isDirectory(output)) {
            throw new ConfigException(output + " is a folder; expected a file name (--output)");
        }
    }

    /** Parts of another input, or of other settings, must not end up in one file. */
    private void checkSameRun() throws IOException {
        String run = "%s %d bytes, modified %s%n%s%n%s%n%s%n"
                .formatted(
                        input,
                        Files.size(input),
                        Files.getLastModifiedTime(input),
                        config.model(),
                        config.prompt(),
                        config.limits());
        Path marker = parts.resolve("run.txt");
        if (Files.exists(marker) && !Files.readString(marker).equals(run)) {
            throw new ConfigException(parts + " holds parts of another run (see run.txt there);"
                    + " --restart deletes them and begins anew");
        }
        Files.writeString(marker, run);
    }

    private StreamExecutionEnvironment build(EngineFactory engines) {
        Configuration flink = new Configuration();
        flink.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, config.checkpointInterval());
        flink.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
        flink.set(
                CheckpointingOptions.CHECKPOINTS_DIRECTORY,
                parts.resolve("checkpoints").toUri().toString());
        flink.set(
                CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION,
                ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
        flink.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
        flink.addAll(Configuration.fromMap(config.flink()));
        lastCheckpoint().ifPresent(path -> flink.set(StateRecoveryOptions.SAVEPOINT_PATH, path.toString()));
        // one reader and one writer keep the order; the engine is what takes the time
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(1, flink);
        FileSource<SourceRecord> source = FileSource.forRecordStreamFormat(
                        new FileLines(
                                String.valueOf(input.getFileName()),
                                config.kafka().maxRecordBytes()),
                        new org.apache.flink.core.fs.Path(input.toUri()))
                // the default one passes over files whose names begin with . or _
                .setFileEnumerator(() -> new NonSplittingRecursiveEnumerator(path -> true))
                .build();
        DataStream<SourceRecord> records = env.fromSource(source, WatermarkStrategy.noWatermarks(), "lines")
                .uid("lines");
        DataStream<OutputRecord> reranked = RerankJob.rerank(records, config, engines, Lane.BACKFILL, true);
        reranked.sinkTo(sink()).name("outputs").uid("outputs");
        return env;
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

    private static void execute(StreamExecutionEnvironment env, Runnable whileRunning) {
        try {
            JobClient job = env.executeAsync("lychee-rerank file to file");
            var done = job.getJobExecutionResult();
            while (!done.isDone()) {
                whileRunning.run();
                try {
                    done.get(300, TimeUnit.MILLISECONDS);
                } catch (TimeoutException e) {
                    // still running
                }
            }
            done.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        } catch (ExecutionException e) {
            throw new IllegalStateException("the job failed: " + e.getCause(), e.getCause());
        } catch (Exception e) {
            throw new IllegalStateException("the job could not be started: " + e, e);
        }
    }
}
