package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The demo checkpoint reranks: its quality through broker and Flink, its scores against the reference. */
@Timeout(600)
class DemoTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Path DEMO = Path.of("demo").toAbsolutePath();

    @TempDir
    private Path folder;

    @Test
    void theDemoShopIsRerankedWell() throws Exception {
        Cli run = Cli.run("demo", "--json", "--device", "cpu");

        assertThat(run.exitCode()).as(run.err()).isZero();
        JsonNode summary = JSON.readTree(run.out());
        assertThat(summary.get("lists").asInt()).isGreaterThanOrEqualTo(50);
        JsonNode quality = summary.get("ndcg_at_10");
        assertThat(quality.get("before").asDouble())
                .as("what the retriever gives")
                .isBetween(0.2, 0.5);
        assertThat(quality.get("after").asDouble()).isGreaterThanOrEqualTo(0.9);
        for (String mode : new String[] {"text-text", "text-image", "image-text", "image-image"}) {
            assertThat(quality.get("by_mode").get(mode).get("after").asDouble())
                    .as(mode)
                    .isGreaterThanOrEqualTo(mode.equals("text-image") ? 0.9 : 0.8);
        }
        for (String group : new String[] {"scenario", "style", "function", "visual"}) {
            assertThat(quality.get("by_group").get(group).get("after").asDouble())
                    .as(group)
                    .isGreaterThan(
                            quality.get("by_group").get(group).get("before").asDouble() + 0.2);
        }
    }

    /** What transformers computed is in demo/training/recorded_scores.jsonl; see demo/training/README.md. */
    @Test
    void scoresEqualTheReferences() throws Exception {
        Path output = folder.resolve("out.jsonl");
        Cli run = Cli.run(
                "rerank",
                "--checkpoint",
                DEMO.resolve("checkpoint").toString(),
                "--device",
                "cpu",
                "--input",
                DEMO.resolve("lists.jsonl").toString(),
                "--output",
                output.toString());
        assertThat(run.exitCode()).as(run.err()).isZero();
        Map<String, Double> scores = new HashMap<>();
        for (String line : Files.readAllLines(output)) {
            JsonNode answer = JSON.readTree(line);
            answer.get("results")
                    .forEach(c -> scores.put(
                            answer.get("request_id").asText() + "/"
                                    + (c.get("retrieval_rank").asInt() - 1),
                            c.get("score").asDouble()));
        }

        int compared = 0;
        for (String line : Files.readAllLines(DEMO.resolve("training/recorded_scores.jsonl"))) {
            JsonNode recorded = JSON.readTree(line);
            String pair = recorded.get("request_id").asText() + "/"
                    + recorded.get("candidate_index").asInt();
            assertThat(scores.get(pair))
                    .as(pair)
                    .isCloseTo(recorded.get("score").asDouble(), within(1e-3));
            compared++;
        }
        assertThat(compared).isGreaterThanOrEqualTo(200);
    }
}
