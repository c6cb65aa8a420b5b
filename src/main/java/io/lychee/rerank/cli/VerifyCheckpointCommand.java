package io.lychee.rerank.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.engine.MemoryCheck;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.engine.RecordedScores;
import io.lychee.rerank.engine.ReferencePairs;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code ./lychee verify-checkpoint}: scores a few pairs, to compare with transformers. */
@Command(
        name = "verify-checkpoint",
        description = {
            "Scores a few pairs with a checkpoint, and writes a Python script that scores them with transformers.",
            "Run again, it compares with the script's output. Exit code 1 when a score differs by more than rounding."
        })
final class VerifyCheckpointCommand implements Callable<Integer> {

    private static final String OUTPUT = "reference.jsonl";
    private static final ObjectMapper JSON = new ObjectMapper();

    @Parameters(paramLabel = "CHECKPOINT", description = "Folder of the checkpoint.")
    private String checkpoint = "";

    @Mixin
    private final ConfigOptions options = new ConfigOptions();

    @Option(
            names = "--folder",
            paramLabel = "DIR",
            description = "Folder of pairs, script and its output " + OUTPUT + " (default: NAME.reference).")
    private @Nullable Path folder;

    @Option(
            names = "--record",
            description = "Stores the scores beside the checkpoint; each later start compares with them.")
    private boolean record;

    @Override
    public Integer call() throws Exception {
        RerankConfig config = options.load(Map.of(), Map.of(ConfigKeys.CHECKPOINT, checkpoint));
        CheckpointFiles files = CheckpointFiles.of(config.model().checkpoint());
        MemoryCheck.require(files, config.model().device(), config.model().precision());
        Path pairs = folder == null ? Path.of(files.name().replace('/', '.') + ".reference") : folder;
        try {
            ReferencePairs.write(pairs, config);
        } catch (FileAlreadyExistsException e) {
            throw new ConfigException(e.getFile() + " is there with other content; --folder names another folder", e);
        }
        RecordedScores own = new QwenEngineFactory(config).scoreReferencePairs();
        Path output = pairs.resolve(OUTPUT);
        boolean compared = Files.exists(output);
        boolean agrees = print(own, compared ? read(output) : Map.of());
        if (!compared) {
            System.out.printf(
                    "To compare with transformers (Python with torch, transformers and pillow):%n"
                            + "  python %s %s > %s%nthen run this command again.%n",
                    pairs.resolve("reference.py"), files.directory(), output);
        }
        if (agrees && record) {
            System.out.println("recorded in " + own.write(files));
        }
        return agrees ? 0 : 1;
    }

    /** Prints a line for each pair. @return whether all that have a reference agree with it */
    private static boolean print(RecordedScores own, Map<String, Double> reference) {
        double allowed = RecordedScores.tolerance(own.precision(), "float32");
        double largest = 0;
        System.out.println(TextTable.pad("pair", 34)
                + TextTable.pad("score", 12)
                + (reference.isEmpty() ? "" : TextTable.pad("reference", 12) + "difference"));
        for (Map.Entry<String, Double> pair : own.scores().entrySet()) {
            String line = TextTable.pad(pair.getKey(), 34) + TextTable.pad(number(pair.getValue()), 12);
            if (!reference.isEmpty()) {
                Double theirs = reference.get(pair.getKey());
                if (theirs == null) {
                    throw new ConfigException(
                            "%s has no score of the pair \"%s\"; expected one line a pair, as %s prints"
                                    .formatted(OUTPUT, pair.getKey(), "reference.py"));
                }
                double difference = Math.abs(pair.getValue() - theirs);
                largest = Math.max(largest, difference);
                line += TextTable.pad(number(theirs), 12) + number(difference);
            }
            System.out.println(line);
        }
        boolean agrees = largest <= allowed;
        if (!reference.isEmpty()) {
            System.out.printf(
                    Locale.ROOT,
                    "%s: the largest difference is %s; %s allows %s%n",
                    agrees ? "agrees" : "DIFFERS",
                    number(largest),
                    own.precision(),
                    number(allowed));
        }
        return agrees;
    }

    private static String number(double score) {
        return String.format(Locale.ROOT, "%.5f", score);
    }

    private static Map<String, Double> read(Path output) throws IOException {
        Map<String, Double> scores = new HashMap<>();
        for (String line : Files.readAllLines(output)) {
            JsonNode pair = JSON.readTree(line);
            if (!pair.path("name").isTextual() || !pair.path("score").isNumber()) {
                throw new ConfigException(
                        "%s has the line %s; expected {\"name\": …, \"score\": …}".formatted(output, line));
            }
            scores.put(pair.path("name").asText(), pair.path("score").asDouble());
        }
        return scores;
    }
}
