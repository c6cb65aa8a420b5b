package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Backfills that take minutes: killed again and again, and with many lists in little memory. */
@Tag("full")
@Timeout(1800)
class BackfillFullTest {

    private static final int KILLS = 5;
    private static final int LISTS_BETWEEN = 500;
    private static final String SMALL_HEAP = "112m";
    private static final int MANY = 200_000;

    @TempDir
    private Path folder;

    @Test
    void fiveKillsLeaveTheOutputAsItIsUndisturbed() throws Exception {
        long seed = Long.getLong("lychee.seed", System.nanoTime());
        System.out.println("-Dlychee.seed=" + seed);
        Random random = new Random(seed);
        Backfill undisturbed =
                new Backfill(Files.createDirectory(folder.resolve("undisturbed")), KILLS * 2 * LISTS_BETWEEN);
        undisturbed.prepare();
        assertThat(Cli.run(undisturbed.command()).exitCode()).isZero();
        Backfill killed = new Backfill(Files.createDirectory(folder.resolve("killed")), undisturbed.lists());
        killed.prepare();

        for (int kill = 0; kill < KILLS; kill++) {
            int done = killed.finishedLines().size();
            int more = random.nextInt(LISTS_BETWEEN);
            int millis = random.nextInt(500);
            killed.killOnceFinished(done + more, millis);
            System.out.printf(
                    "killed %d ms after %d more lists; finished: %d%n",
                    millis, more, killed.finishedLines().size());
        }
        Cli resumed = Cli.run(killed.command());

        assertThat(resumed.exitCode()).as(resumed.err()).isZero();
        killed.assertEveryListOnceInOrder();
        List<JsonNode> expected = undisturbed.answers();
        List<JsonNode> answers = killed.answers();
        for (int i = 0; i < expected.size(); i++) {
            assertThat(answers.get(i).get("status")).isEqualTo(expected.get(i).get("status"));
            Map<String, Double> scores = scores(expected.get(i));
            Map<String, Double> found = scores(answers.get(i));
            assertThat(found.keySet()).isEqualTo(scores.keySet()).hasSize(4);
            scores.forEach((id, score) -> assertThat(found.get(id)).as(id).isCloseTo(score, within(1e-4)));
        }
    }

    private static Map<String, Double> scores(JsonNode answer) {
        Map<String, Double> scores = new TreeMap<>();
        for (String part : List.of("results", "left_out")) {
            answer.get(part)
                    .forEach(
                            c -> scores.put(c.get("id").asText(), c.get("score").asDouble()));
        }
        return scores;
    }

    /** A heap that is just enough for a few lists is enough for any number. */
    @Test
    void manyListsNeedNoMoreMemoryThanFew() throws Exception {
        Backfill backfill = new Backfill(folder, MANY);
        try (BufferedWriter lists = Files.newBufferedWriter(folder.resolve("lists.jsonl"))) {
            for (int i = 0; i < MANY; i++) {
                lists.write("{\"request_id\":\"q" + i + "\",\"query\":{\"text\":\"dress\"},\"candidates\":[]}\n");
            }
        }
        try (ChildProcess run =
                ChildProcess.start(folder.resolve("run.log"), List.of(), SMALL_HEAP, backfill.command())) {
            assertThat(run.process().waitFor(20, TimeUnit.MINUTES))
                    .as("ended: %s", run.output())
                    .isTrue();
            System.out.println(run.output());
            assertThat(run.process().exitValue()).as(run.output()).isZero();
        }
        try (Stream<String> answers = Files.lines(backfill.output())) {
            assertThat(answers.count()).isEqualTo(MANY);
        }
    }
}
