package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What runs with Qwen2.5-VL in the other tests runs with a tiny Qwen3-VL. */
@Timeout(300)
class SecondFamilyTest {

    private static final Path GOLDEN =
            Path.of("src/test/resources/golden-qwen3").toAbsolutePath();
    private static final String CHECKPOINT = GOLDEN.resolve("checkpoint").toString();
    private static final ObjectMapper JSON = new ObjectMapper();

    private static final String LIST = """
            {"request_id":"%s","query":{"text":"a red dress","images":["file:square.png"]},"candidates":[
            {"id":"t","text":"red","relevance":1},{"id":"i","images":["file:photo.jpg"],"relevance":0},
            {"id":"b","text":"blue","images":["file:wide.png","file:tall.jpg"],"relevance":0}]}""".replace("\n", "");

    private final HttpClient http = HttpClient.newHttpClient();

    @TempDir
    private Path folder;

    @Test
    void doctorKnowsIt() {
        Cli doctor = Cli.run("doctor", "--checkpoint", CHECKPOINT, "--device", "cpu");

        assertThat(doctor.exitCode()).as(doctor.out()).isZero();
        assertThat(doctor.out()).contains("default instruction \"Given a search query, retrieve relevant candidates");
    }

    @Test
    void benchMeasuresIt() throws Exception {
        Cli bench = Cli.run(("bench engine --checkpoint " + CHECKPOINT
                        + " --device cpu --shape tiny --candidates 6 --lists 2 --warm-up 0 --json")
                .split(" "));

        assertThat(bench.exitCode()).as(bench.err()).isZero();
        assertThat(bench.out().lines()).hasSize(4); // workloads
        for (String line : bench.out().lines().toList()) {
            assertThat(JSON.readTree(line).path("pairs_per_second").asDouble())
                    .as(line)
                    .isPositive();
        }
        Cli other = Cli.run("bench", "engine", "--checkpoint", CHECKPOINT, "--device", "cpu", "--shape", "7b");
        assertThat(other.err()).contains("--shape is 7b, of family qwen2_5_vl; expected a --checkpoint of that family");
    }

    @Test
    void bothLanesTheApiAndTheEvaluation() throws Exception {
        try (Up up = Up.start(
                folder.resolve("up.log"),
                "--checkpoint",
                CHECKPOINT,
                "-D",
                "image.roots=" + GOLDEN.resolve("images"))) {
            JsonNode info = JSON.readTree(send(HttpRequest.newBuilder(URI.create(up.url() + "/api/info"))));
            assertThat(info.path("instruction").asText()).startsWith("Given a search query");
            assertThat(info.path("max_pixels").asInt()).isEqualTo(1_843_200);

            JsonNode answer = JSON.readTree(send(HttpRequest.newBuilder(URI.create(up.url() + "/v1/rerank"))
                    .header("Content-Type", "application/json")
                    .POST(HttpRequest.BodyPublishers.ofString("""
                            {"query":"red","documents":["red dress","blue cup",{"image":"%s"}]}
                            """.formatted(Base64.getEncoder()
                            .encodeToString(Files.readAllBytes(GOLDEN.resolve("images/tall.jpg"))))))));
            Set<Double> scores = new HashSet<>();
            answer.path("results")
                    .forEach(result -> scores.add(result.path("relevance_score").asDouble()));
            assertThat(scores).as(answer.toString()).hasSize(3);

            Path answers = folder.resolve("answers.jsonl");
            for (String lane : List.of("realtime", "backfill")) {
                Files.writeString(folder.resolve("list.jsonl"), LIST.formatted(lane) + "\n");
                String broker = "kafka.bootstrap-servers=" + up.broker();
                String list = folder.resolve("list.jsonl").toString();
                assertThat(Cli.run("produce", "-D", broker, "--lane", lane, "--input", list)
                                .exitCode())
                        .isZero();
                String consumed = lane.equals("realtime")
                        ? consume(broker, lane)
                        : Cli.run("consume", "-D", broker, "--lane", lane, "--max", "1")
                                .out();
                Files.writeString(answers, consumed);
                assertThat(JSON.readTree(consumed).path("status").asText()).isEqualTo("COMPLETE");
                Cli evaluation = Cli.run("evaluate", "--lists", answers.toString(), "--json");
                assertThat(evaluation.exitCode()).as(evaluation.err()).isZero();
            }
        }
    }

    /** Returns the answer to the published list, not to the API's. */
    private static String consume(String broker, String lane) {
        return Cli.run("consume", "-D", broker, "--lane", lane, "--idle", "5")
                .out()
                .lines()
                .filter(line -> line.contains("\"request_id\":\"" + lane + "\""))
                .findFirst()
                .orElseThrow();
    }

    private String send(HttpRequest.Builder request) throws Exception {
        HttpResponse<String> response = http.send(request.build(), HttpResponse.BodyHandlers.ofString());
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return response.body();
    }
}
