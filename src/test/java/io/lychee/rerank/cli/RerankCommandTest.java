package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code ./lychee rerank} on the golden checkpoint: Flink, engine and network as they ship. */
@Timeout(300)
class RerankCommandTest {

    private static final Path GOLDEN = Path.of("src/test/resources/golden").toAbsolutePath();
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path folder;

    private Path input;
    private Path output;

    @BeforeEach
    void copyImages() throws IOException {
        input = folder.resolve("lists.jsonl");
        output = folder.resolve("out.jsonl");
        Files.createDirectory(folder.resolve("images"));
        try (var images = Files.list(GOLDEN.resolve("images"))) {
            for (Path image : images.toList()) {
                Files.copy(image, folder.resolve("images").resolve(image.getFileName()));
            }
        }
    }

    @Test
    void scoresEqualTheReferences() throws IOException {
        JsonNode cases = JSON.readTree(GOLDEN.resolve("cases.json").toFile()).get("cases");
        List<String> lines = new ArrayList<>();
        for (JsonNode golden : cases) {
            ObjectNode list = list(golden.get("name").asText(), golden.get("query"));
            list.put("instruction", golden.get("instruction").asText());
            candidate(list, "d", golden.get("document"));
            lines.add(list.toString());
        }
        Files.write(input, lines);

        assertThat(rerank().exitCode()).isZero();

        List<JsonNode> answers = answers();
        assertThat(answers).hasSize(cases.size());
        for (int i = 0; i < cases.size(); i++) {
            String name = cases.get(i).get("name").asText();
            assertThat(answers.get(i).get("request_id").asText())
                    .as("input order")
                    .isEqualTo(name);
            assertThat(answers.get(i).get("results").get(0).get("score").asDouble())
                    .as(name)
                    .isCloseTo(cases.get(i).get("score").asDouble(), within(1e-3));
        }
    }

    @Test
    void everyCandidateComesOutWithItsStatus() throws IOException {
        Files.write(folder.resolve("images/broken.png"), new byte[] {(byte) 0x89, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0});
        ObjectNode list = list("mixed", JSON.readTree("{\"text\":\"a red dress\"}"));
        candidate(list, "good-text", JSON.readTree("{\"text\":\"red cotton dress\"}"));
        candidate(list, "broken-image", JSON.readTree("{\"text\":\"red\",\"images\":[\"broken.png\"]}"));
        candidate(list, "missing-image", JSON.readTree("{\"images\":[\"nowhere.png\"]}"));
        candidate(list, "empty", JSON.readTree("{\"text\":\"  \"}"));
        candidate(list, "good-image", JSON.readTree("{\"images\":[\"exact.png\"]}"));
        ObjectNode longText = JSON.createObjectNode();
        longText.put("text", "long text ".repeat(10_000));
        candidate(list, "long-text", longText);
        ((ArrayNode) list.get("candidates").get(1).get("images")).add("file:../../../etc/hostname");
        Files.writeString(input, list + "\n");

        assertThat(rerank().exitCode()).isZero();

        JsonNode answer = answers().get(0);
        assertThat(answer.get("status").asText()).isEqualTo("COMPLETE");
        Map<String, String> outcomes = new TreeMap<>();
        for (String part : List.of("results", "left_out")) {
            answer.get(part)
                    .forEach(c -> outcomes.put(
                            c.get("id").asText(),
                            c.get("status").asText() + " " + c.get("reason").asText()));
        }
        assertThat(outcomes)
                .hasSize(6)
                .containsEntry("good-text", "SCORED null")
                .containsEntry("good-image", "SCORED null")
                .containsEntry("long-text", "SCORED null")
                .containsEntry("missing-image", "REJECTED IMAGE_NOT_FOUND")
                .containsEntry("empty", "REJECTED EMPTY");
        assertThat(outcomes.get("broken-image")).startsWith("REJECTED IMAGE_");
        answer.get("results")
                .forEach(c -> assertThat(c.get("truncated").asBoolean())
                        .isEqualTo(c.get("id").asText().equals("long-text")));
    }

    @Test
    void linesThatCannotBeReadAreKeptWithTheirReason() throws IOException {
        ObjectNode good = list("good", JSON.readTree("{\"text\":\"q\"}"));
        candidate(good, "a", JSON.readTree("{\"text\":\"b\"}"));
        Files.writeString(input, "not json\n\n" + good + "\n{\"request_id\":\"no query\"}\n");

        Cli run = rerank();

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err()).contains("2 lines could not be read").contains("out.jsonl.dead-letters.jsonl");
        assertThat(answers()).hasSize(1);
        List<JsonNode> dead = read(folder.resolve("out.jsonl.dead-letters.jsonl"));
        assertThat(dead).extracting(d -> d.get("offset").asLong()).containsExactly(0L, 3L);
        assertThat(dead).extracting(d -> d.get("reason").asText()).contains("UNDECODABLE");
        assertThat(folder.resolve("out.jsonl.parts")).doesNotExist();
    }

    @Test
    void aHiddenFileIsAFileToo() throws IOException {
        input = folder.resolve(".lists.jsonl");
        ObjectNode list = list("q", JSON.readTree("{\"text\":\"a\"}"));
        Files.writeString(input, list + "\n");

        assertThat(rerank().exitCode()).isZero();
        assertThat(answers()).hasSize(1);
    }

    @Test
    void theInstructionChangesScores() throws IOException {
        ObjectNode list = list("q", JSON.readTree("{\"text\":\"a red dress\"}"));
        candidate(list, "a", JSON.readTree("{\"text\":\"red cotton dress\"}"));
        Files.writeString(input, list + "\n");
        assertThat(rerank().exitCode()).isZero();
        double before = answers().get(0).get("results").get(0).get("score").asDouble();

        assertThat(rerank("--instruction", "Given a question, retrieve facts").exitCode())
                .isZero();

        assertThat(answers().get(0).get("results").get(0).get("score").asDouble())
                .isNotEqualTo(before);
    }

    @Test
    void partsOfAnotherRunAreNotMixedIn() throws IOException {
        Files.createDirectory(folder.resolve("out.jsonl.parts"));
        Files.writeString(folder.resolve("out.jsonl.parts/run.txt"), "something else");
        ObjectNode list = list("q", JSON.readTree("{\"text\":\"a\"}"));
        Files.writeString(input, list + "\n");

        Cli refused = rerank();
        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.err()).contains("--restart");

        Cli anew = rerank("--restart");
        assertThat(anew.exitCode()).as(anew.err()).isZero();
        assertThat(answers()).hasSize(1);
    }

    private Cli rerank(String... more) {
        List<String> args = new ArrayList<>(List.of(
                "rerank",
                "--checkpoint",
                GOLDEN.resolve("checkpoint").toString(),
                "--device",
                "cpu",
                "--input",
                input.toString(),
                "--output",
                output.toString()));
        args.addAll(List.of(more));
        return Cli.run(args.toArray(String[]::new));
    }

    private List<JsonNode> answers() throws IOException {
        return read(output);
    }

    private static List<JsonNode> read(Path file) throws IOException {
        List<JsonNode> lines = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            lines.add(JSON.readTree(line));
        }
        return lines;
    }

    private static ObjectNode list(String id, JsonNode query) {
        ObjectNode list = JSON.createObjectNode();
        list.put("request_id", id);
        list.set("query", withReferences(query));
        list.putArray("candidates");
        return list;
    }

    private static void candidate(ObjectNode list, String id, JsonNode content) {
        ObjectNode candidate = withReferences(content);
        candidate.put("id", id);
        ((ArrayNode) list.get("candidates")).add(candidate);
    }

    /** File names of the fixture as references. */
    private static ObjectNode withReferences(JsonNode content) {
        ObjectNode copy = content.deepCopy();
        ArrayNode images = copy.putArray("images");
        content.path("images").forEach(name -> images.add("file:images/" + name.asText()));
        return copy;
    }
}
