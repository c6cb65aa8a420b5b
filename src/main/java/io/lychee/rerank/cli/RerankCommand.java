package io.lychee.rerank.cli;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.StartingOffsets;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.job.BackfillJob;
import io.lychee.rerank.job.InputFiles;
import io.lychee.rerank.job.OutputFiles;
import io.lychee.rerank.job.Tally;
import io.lychee.rerank.scoring.EngineRegistry;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code ./lychee rerank}: the bounded job, from files or a topic to a file or topics. */
@Command(
        name = "rerank",
        description = {
            "Reranks the candidate lists of files, or of the backfill topic up to its current end.",
            "Answers in a file keep the input's order. The same command resumes an interrupted run; the exit code is 0"
                    + " only when every list came out, and few candidates were rejected."
        })
final class RerankCommand implements Callable<Integer> {

    @Mixin
    private final ConfigOptions options = new ConfigOptions();

    @ArgGroup(multiplicity = "1")
    @SuppressWarnings("NullAway.Init") // required
    private From from;

    @ArgGroup(multiplicity = "1")
    @SuppressWarnings("NullAway.Init") // required
    private To to;

    private static final class From {

        @Option(
                names = "--input",
                required = true,
                arity = "1..*",
                paramLabel = "FILE",
                description = "Files, folders or globs: JSON lines, also with gzip, or Avro object container files.")
        private List<String> input = List.of();

        @Option(
                names = "--from-topic",
                required = true,
                description = "The backfill topic (kafka.topic.backfill), up to its current end.")
        private boolean topic;
    }

    private static final class To {

        @Option(names = "--output", required = true, paramLabel = "FILE", description = "One answer a line.")
        private @Nullable String output;

        @Option(
                names = "--to-topic",
                required = true,
                description = "kafka.topic.backfill-results and kafka.topic.dead-letters.")
        @SuppressWarnings("UnusedVariable") // then there is no output
        private boolean topic;
    }

    @Option(names = "--instruction", paramLabel = "TEXT", description = "For lists without one of their own.")
    private @Nullable String instruction;

    @Option(names = "--restart", description = "Discards what an earlier run with this output has done.")
    private boolean restart;

    @Option(
            names = "--max-rejected",
            paramLabel = "PERCENT",
            defaultValue = "10",
            description = "Of all candidates; with more of them rejected the exit code is 1. Default: ${DEFAULT-VALUE}")
    private double maxRejected;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        if (!(maxRejected >= 0 && maxRejected <= 100)) {
            throw new ParameterException(
                    spec.commandLine(), "--max-rejected is " + maxRejected + "; expected a number from 0 to 100");
        }
        Path output = to.output == null ? null : OutputFiles.resolve(to.output, "--output");
        RerankConfig config = config(output);
        List<Path> inputs = InputFiles.of(from.input, BackfillJob.outputs(config, output), config);
        if (restart && inputs.isEmpty() && config.kafka().startingOffsets() != StartingOffsets.EARLIEST) {
            // the discarded parts hold records that the group's offsets have passed already
            throw new ConfigException("--restart with --from-topic and %s %s would leave out what the earlier run read;"
                            .formatted(
                                    ConfigKeys.STARTING_OFFSETS, config.kafka().startingOffsets())
                    + " expected earliest, or the same command without --restart");
        }
        try (BackfillJob job = new BackfillJob(config, inputs, output)) {
            Tally earlier = job.begin(restart);
            if (!job.isFinished()) {
                run(job, earlier, new QwenEngineFactory(config));
            }
            return report(job.complete(), job.total(), output, config);
        }
    }

    private static void run(BackfillJob job, Tally earlier, QwenEngineFactory engines) throws IOException {
        // loads the network before the job starts, so that a wrong checkpoint is one error, not a failing task
        try (EngineRegistry.Lease lease = engines.lease()) {
            ProgressBar progress = new ProgressBar(earlier.records(), job.total(), lease);
            Tally tally = job.run(engines, progress::show);
            progress.finish(tally.records());
        }
    }

    private int report(BackfillJob.Result result, long lists, @Nullable Path output, RerankConfig config) {
        Tally tally = result.tally();
        Object target = output == null ? config.kafka().backfillResultsTopic() : output;
        System.err.println(result.answered() + " lists reranked: " + target);
        if (tally.unscored() > 0) {
            System.err.println("lychee: " + tally.unscored()
                    + " of them have no score (status UNSCORED); each candidate there says why in reason and detail");
        }
        int exitCode = 0;
        Rejections rejections = new Rejections(tally.rejected(), tally.candidates());
        if (rejections.count() > 0) {
            System.err.println("lychee: " + rejections.summary());
        }
        if (rejections.exceed(maxRejected)) {
            System.err.println("lychee: that is more than %s %% (--max-rejected); %s"
                    .formatted(
                            BigDecimal.valueOf(maxRejected).stripTrailingZeros().toPlainString(),
                            rejections.advice(config)));
            exitCode = 1;
        }
        if (result.deadLetters() > 0) {
            Object dead = output == null ? config.kafka().deadLettersTopic() : BackfillJob.deadLetters(output);
            System.err.println("lychee: " + result.deadLetters() + (output == null ? " records" : " lines")
                    + " could not be read; they are with their reasons in " + dead);
            return 1;
        }
        // the size of a topic is an estimate
        if (output != null && !from.topic && result.answered() != lists) {
            System.err.println("lychee: " + lists + " lists went in; were files changed meanwhile?");
            return 1;
        }
        return exitCode;
    }

    private RerankConfig config(@Nullable Path output) {
        Map<String, String> defaults = from.topic
                ? Map.of()
                : Map.of(
                        ConfigKeys.IMAGE_ROOTS,
                        InputFiles.folder(from.input.get(0)).toString());
        Map<String, String> fixed = new LinkedHashMap<>();
        if (output != null) {
            // files are JSON lines, whatever the format of topics
            fixed.put(ConfigKeys.OUTPUT_FORMAT, "json");
        }
        if (instruction != null) {
            fixed.put(ConfigKeys.INSTRUCTION, instruction);
        }
        return options.load(defaults, fixed);
    }
}
