package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A file-to-file run that is killed goes on from its last checkpoint. */
@Timeout(300)
class ResumeTest {

    private static final int LISTS = 1500;
    private static final Path CHECKPOINT =
            Path.of("src/test/resources/golden/checkpoint").toAbsolutePath();

    @TempDir
    private Path folder;

    @Test
    void theSameCommandFinishesWhatAKilledRunBegan() throws Exception {
        Path input = folder.resolve("lists.jsonl");
        Path output = folder.resolve("out.jsonl");
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < LISTS; i++) {
            lines.add("{\"request_id\":\"q" + i + "\",\"query\":{\"text\":\"red dress " + i + "\"},\"candidates\":["
                    + "{\"id\":\"a\",\"text\":\"a red dress for the beach\"},{\"id\":\"b\",\"text\":\"blue jacket\"},"
                    + "{\"id\":\"c\",\"text\":\"white suit " + i + "\"},{\"id\":\"d\",\"text\":\"mug\"}]}");
        }
        Files.write(input, lines);
        String[] command = {
            "rerank",
            "--checkpoint",
            CHECKPOINT.toString(),
            "--device",
            "cpu",
            "--input",
            input.toString(),
            "--output",
            output.toString(),
            "-D",
            "job.checkpoint-interval=300 ms"
        };

        killOnceSomethingIsDone(command);
        assertThat(output).doesNotExist();
        Path parts = folder.resolve("out.jsonl.parts");
        List<String> done = finishedLines(parts);
        assertThat(done).as("finished before the kill").isNotEmpty().hasSizeLessThan(LISTS);

        Cli resumed = Cli.run(command);

        assertThat(resumed.exitCode()).as(resumed.err()).isZero();
        List<String> answers = Files.readAllLines(output);
        ObjectMapper json = new ObjectMapper();
        List<String> ids = new ArrayList<>();
        for (String answer : answers) {
            JsonNode node = json.readTree(answer);
            ids.add(node.get("request_id").asText());
        }
        assertThat(ids)
                .as("every list once, in order")
                .isEqualTo(Stream.iterate(0, i -> i + 1)
                        .limit(LISTS)
                        .map(i -> "q" + i)
                        .toList());
        assertThat(answers).as("what was finished is not done again").containsAll(done);
        assertThat(parts).doesNotExist();
    }

    private void killOnceSomethingIsDone(String... command) throws IOException, InterruptedException {
        try (ChildProcess killed = ChildProcess.start(folder.resolve("killed.log"), command)) {
            while (finishedLines(folder.resolve("out.jsonl.parts")).isEmpty()) {
                assertThat(killed.process().waitFor(20, TimeUnit.MILLISECONDS))
                        .as("it ended before it could be killed: %s", killed.output())
                        .isFalse();
            }
        }
    }

    /** Lines of parts that a checkpoint has made final, without their positions. */
    private static List<String> finishedLines(Path parts) throws IOException {
        Path results = parts.resolve("results");
        List<String> lines = new ArrayList<>();
        if (Files.isDirectory(results)) {
            try (Stream<Path> files = Files.list(results)) {
                for (Path file : files.filter(f -> !f.getFileName().toString().startsWith("."))
                        .toList()) {
                    Files.readAllLines(file).forEach(line -> lines.add(line.substring(line.indexOf('\t') + 1)));
                }
            }
        }
        return lines;
    }
}
