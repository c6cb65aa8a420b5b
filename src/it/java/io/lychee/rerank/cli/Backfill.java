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
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** A backfill of one file in a folder, for tests that cut it off. */
record Backfill(Path folder, int lists) {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final long ENDS_WITHIN_S = 300;

    Path output() {
        return folder.resolve("out.jsonl");
    }

    Path parts() {
        return folder.resolve("out.jsonl.parts");
    }

    /** Writes the input. */
    void prepare() throws IOException {
        Files.write(
                folder.resolve("lists.jsonl"),
                IntStream.range(0, lists)
                        .mapToObj(i -> "{\"request_id\":\"q" + i + "\",\"query\":{\"text\":\"red dress " + i
                                + "\"},\"candidates\":[{\"id\":\"a\",\"text\":\"a red dress for the beach\"},"
                                + "{\"id\":\"b\",\"text\":\"blue jacket\"},{\"id\":\"c\",\"text\":\"white suit " + i
                                + "\"},{\"id\":\"d\",\"text\":\"mug\"}]}")
                        .toList());
    }

    String[] command() {
        return new String[] {
            "rerank",
            "--checkpoint",
            Path.of("src/test/resources/golden/checkpoint").toAbsolutePath().toString(),
            "--device",
            "cpu",
            "--input",
            folder.resolve("lists.jsonl").toString(),
            "--output",
            output().toString(),
            "-D",
            "job.checkpoint-interval=300 ms"
        };
    }

    /** Starts it in a process, waits until so many lines are finished and then so long, and kills it. */
    void killOnceFinished(int lines, long thenMillis) throws IOException, InterruptedException {
        try (ChildProcess killed = ChildProcess.start(folder.resolve("killed.log"), command())) {
            while (finishedLines().size() < lines) {
                assertNotEnded(killed, 20);
            }
            assertNotEnded(killed, thenMillis);
        }
        assertThat(output()).doesNotExist();
    }

    private static void assertNotEnded(ChildProcess process, long millis) throws IOException, InterruptedException {
        assertThat(process.process().waitFor(millis, TimeUnit.MILLISECONDS))
                .as("it ended before it could be killed: %s", process.output())
                .isFalse();
    }

    /** Runs it to its end in a process with the largest size of a file as given; its exit code and what it said. */
    Cli withFilesOfAtMost(long kib) throws IOException, InterruptedException {
        List<String> limit = List.of("bash", "-c", "ulimit -f " + kib + "; exec \"$@\"", "bash");
        try (ChildProcess run = ChildProcess.start(folder.resolve("limited.log"), limit, "1g", command())) {
            assertThat(run.process().waitFor(ENDS_WITHIN_S, TimeUnit.SECONDS))
                    .as("ended: %s", run.output())
                    .isTrue();
            return new Cli(run.process().exitValue(), "", run.output());
        }
    }

    /** Lines of parts that a checkpoint has made final, without their positions. */
    List<String> finishedLines() throws IOException {
        List<String> lines = new ArrayList<>();
        if (Files.isDirectory(parts().resolve("results"))) {
            try (Stream<Path> files = Files.list(parts().resolve("results"))) {
                for (Path file : files.filter(f -> !f.getFileName().toString().startsWith("."))
                        .toList()) {
                    Files.readAllLines(file).forEach(line -> lines.add(line.substring(line.indexOf('\t') + 1)));
                }
            }
        }
        return lines;
    }

    List<JsonNode> answers() throws IOException {
        List<JsonNode> answers = new ArrayList<>();
        for (String line : Files.readAllLines(output())) {
            answers.add(JSON.readTree(line));
        }
        return answers;
    }

    void assertEveryListOnceInOrder() throws IOException {
        assertThat(answers())
                .extracting(answer -> answer.get("request_id").asText())
                .as("every list once, in order")
                .isEqualTo(IntStream.range(0, lists).mapToObj(i -> "q" + i).toList());
        assertThat(parts()).doesNotExist();
    }
}
