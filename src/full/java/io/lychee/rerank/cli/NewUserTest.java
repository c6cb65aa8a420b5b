package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The way of a new user, from a fresh clone of what is committed to answers out of a broker, by the lines of its
 * README.md. Maven takes what it needs from where it always does.
 */
@Tag("full")
@Timeout(1800)
class NewUserTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final long STEP_MINUTES = 10;
    private static final Pattern CREATE =
            Pattern.compile("kafka-topics.sh .* --topic (\\S+) --partitions (\\d+) --config (\\S+)=(\\S+)");

    @TempDir
    private Path folder;

    private Path home;

    private int steps;

    @Test
    void fromACloneToAnswersOutOfABroker() throws Exception {
        home = folder.resolve("lychee-rerank");
        run(0, "git clone --quiet '" + Path.of("").toAbsolutePath() + "' '" + home + "'", folder);
        Readme readme = Readme.of(home);

        String demo = run(0, readme.line("Demo", "./lychee demo"), home);
        assertThat(demo).contains("mean nDCG@10").contains(readme.line("Demo", "demo-003"));
        for (int place = 1; place <= 3; place++) {
            // what came in; equal scores may leave in another order
            String shown = readme.line("Demo", "   " + place);
            assertThat(demo).contains(shown.split(" \\d\\.\\d{3} ", 2)[0]);
        }

        String list = readme.line("Files", "{");
        Files.writeString(home.resolve("lists.jsonl"), list);
        run(0, readme.line("Files", "./lychee rerank"), home);
        assertAnswers(list, Files.readString(home.resolve("out.jsonl")));

        try (EmbeddedBroker broker = EmbeddedBroker.start()) {
            overKafka(readme, list, broker.bootstrapServers());
        }
    }

    private void overKafka(Readme readme, String list, String broker) throws Exception {
        String section = "Kafka";
        run(0, readme.line(section, "cp "), home);
        // the three keys that it tells to set, and time for a machine that does other things as well
        Files.writeString(home.resolve("my.properties"), """

                kafka.bootstrap-servers=%s
                model.checkpoint=demo/checkpoint
                image.roots=.
                realtime.timeout=10 min
                """.formatted(broker), StandardOpenOption.APPEND);
        create(broker, run(1, readme.line(section, "./lychee job"), home));

        long start = System.nanoTime();
        try (ChildProcess job = start(readme.line(section, "./lychee job"), home)) {
            job.await(Pattern.compile("(reranking) rerank.requests"));
            told(start, "until the job is ready: ./lychee job");
            run(0, readme.line(section, "./lychee produce"), home);
            start = System.nanoTime();
            try (ChildProcess consume = start(readme.line(section, "./lychee consume"), home)) {
                assertAnswers(list, consume.await(Pattern.compile("(?m)^(\\{.*})$")));
                told(start, "until the answer is there: ./lychee consume");
            }
        }
    }

    /** What kafka-topics.sh, which no jar on Maven Central holds, would do with the lines that the job tells. */
    private static void create(String broker, String told) throws Exception {
        List<NewTopic> topics = CREATE.matcher(told)
                .results()
                .map((MatchResult line) -> new NewTopic(
                                line.group(1), Optional.of(Integer.valueOf(line.group(2))), Optional.empty())
                        .configs(Map.of(line.group(3), line.group(4))))
                .toList();
        assertThat(topics).as(told).hasSize(5);
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker))) {
            admin.createTopics(topics).all().get();
        }
    }

    private static void assertAnswers(String list, String line) throws Exception {
        JsonNode answer = JSON.readTree(line);
        JsonNode asked = JSON.readTree(list);
        assertThat(answer.path("request_id")).as(line).isEqualTo(asked.path("request_id"));
        assertThat(answer.path("status").asText()).as(line).isEqualTo("COMPLETE");
        assertThat(answer.path("results").findValuesAsText("id"))
                .containsExactlyInAnyOrderElementsOf(asked.path("candidates").findValuesAsText("id"));
        assertThat(answer.path("results").findValuesAsText("status")).as(line).containsOnly("SCORED");
    }

    /** Runs a line to its end and returns what it prints. */
    private String run(int exitCode, String line, Path where) throws Exception {
        long start = System.nanoTime();
        try (ChildProcess child = start(line, where)) {
            assertThat(child.process().waitFor(STEP_MINUTES, TimeUnit.MINUTES))
                    .as("%s: %s", line, child.output())
                    .isTrue();
            assertThat(child.process().exitValue())
                    .as("%s: %s", line, child.output())
                    .isEqualTo(exitCode);
            told(start, line);
            return child.output();
        }
    }

    private ChildProcess start(String line, Path where) throws Exception {
        return ChildProcess.shell(where, folder.resolve(++steps + ".log"), line);
    }

    private static void told(long start, String line) {
        System.out.printf(Locale.ROOT, "%6.1f s  %s%n", (System.nanoTime() - start) / 1e9, line);
    }
}
