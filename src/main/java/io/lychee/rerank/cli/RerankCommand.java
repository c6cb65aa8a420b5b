package io.lychee.rerank.cli;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions;
import io.lychee.rerank.engine.QwenEngines;
import io.lychee.rerank.job.FileJob;
import io.lychee.rerank.scoring.Engines;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code ./lychee rerank}: file to file. */
@Command(
        name = "rerank",
        description = {
            "Reranks the candidate lists of a JSON-lines file.",
            "Answers come out in the input's order. A run that was cut off goes on where it was; the exit code is 0 only"
                    + " when every list came out."
        })
final class RerankCommand implements Callable<Integer> {

    @Mixin
    private final ConfigOptions options = new ConfigOptions();

    @Option(names = "--input", required = true, paramLabel = "FILE", description = "One list a line.")
    @SuppressWarnings("NullAway.Init") // required
    private Path input;

    @Option(names = "--output", required = true, paramLabel = "FILE", description = "One answer a line.")
    @SuppressWarnings("NullAway.Init") // required
    private Path output;

    @Option(names = "--instruction", paramLabel = "TEXT", description = "For lists without one of their own.")
    private @Nullable String instruction;

    @Option(names = "--restart", description = "Forget what an earlier run with this output has done.")
    private boolean restart;

    @Override
    public Integer call() throws IOException {
        RerankConfig config = config();
        long lists = countLines();
        FileJob job = new FileJob(config, input, output);
        QwenEngines engines = new QwenEngines(config);
        // loads the network before the job starts, so that a wrong checkpoint is an error and no failing task
        try (Engines.Lease lease = engines.lease()) {
            Progress progress = new Progress(lists, lease.engine().stats());
            FileJob.Result result =
                    job.run(engines, restart, () -> progress.show(lease.engine().stats()));
            progress.finish(lease.engine().stats());
            System.err.println(result.answered() + " lists reranked: " + output);
            if (result.deadLetters() > 0) {
                System.err.println("lychee: " + result.deadLetters() + " lines could not be read; they lie with their"
                        + " reasons in " + job.deadLetters());
                return 1;
            }
            if (result.answered() != lists) {
                System.err.println("lychee: " + lists + " lists went in; was " + input + " changed meanwhile?");
                return 1;
            }
            return 0;
        }
    }

    private RerankConfig config() {
        Path folder = input.toAbsolutePath().getParent();
        Map<String, String> defaults = new LinkedHashMap<>();
        defaults.put(RerankOptions.IMAGE_ROOTS.key(), String.valueOf(folder));
        return options.load(defaults, fixed());
    }

    /** Files are JSON lines whatever topics are written in. */
    private Map<String, String> fixed() {
        Map<String, String> fixed = new LinkedHashMap<>();
        fixed.put(RerankOptions.OUTPUT_FORMAT.key(), "json");
        if (instruction != null) {
            fixed.put(RerankOptions.INSTRUCTION.key(), instruction);
        }
        return fixed;
    }

    private long countLines() throws IOException {
        if (!Files.isRegularFile(input) || !Files.isReadable(input)) {
            throw new ConfigException("no file " + input.toAbsolutePath() + " that can be read (--input)");
        }
        long lines = 0;
        try (InputStream stream = new BufferedInputStream(Files.newInputStream(input), 1 << 16)) {
            boolean blank = true;
            for (int b = stream.read(); b >= 0; b = stream.read()) {
                if (b == '\n') {
                    lines += blank ? 0 : 1;
                    blank = true;
                } else {
                    blank &= b <= ' ';
                }
            }
            return lines + (blank ? 0 : 1);
        }
    }
}
