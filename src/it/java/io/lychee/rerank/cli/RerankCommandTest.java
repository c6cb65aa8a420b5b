package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code ./lychee rerank} on the golden checkpoint: scores, rejections, dead letters and exit codes. */
@Timeout(300)
class RerankCommandTest extends RerankFixture {

    @ParameterizedTest
    @ValueSource(strings = {"golden", "golden-qwen3"})
    void scoresEqualTheReferences(String fixture) throws IOException {
        Path golden = GOLDEN.resolveSibling(fixture);
        copyImages(golden);
        JsonNode cases = JSON.readTree(golden.resolve("cases.json").toFile()).get("cases");
        List<String> lines = new ArrayList<>();
        for (JsonNode pair : cases) {
            ObjectNode list = list(pair.get("name").asText(), pair.get("query"));
            list.put("instruction", pair.get("instruction").asText());
            candidate(list, "d", pair.get("document"));
            lines.add(list.toString());
        }
        Files.write(input, lines);

        Cli run = rerank("--checkpoint", golden.resolve("checkpoint").toString());
        assertThat(run.exitCode()).as(run.err()).isZero();

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

        assertThat(rerank("--max-rejected", "50").exitCode()).isZero();

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
    void listsWithoutAnyScoreAreTold() throws IOException {
        ObjectNode list = list("q", JSON.readTree("{\"images\":[\"file:none.jpg\"]}"));
        candidate(list, "a", JSON.readTree("{\"text\":\"b\"}"));
        Files.writeString(input, list + "\n");

        Cli run = rerank("--max-rejected", "100");

        assertThat(run.exitCode()).isZero();
        assertThat(run.err())
                .contains("1 lists reranked")
                .contains("1 of them have no score")
                .contains("1 of 1 candidates were rejected: QUERY_IMAGE 1");
        assertThat(answers().get(0).get("status").asText()).isEqualTo("UNSCORED");
    }

    /** Lists that lose most of their candidates are COMPLETE all the same: 5 of 8 candidates are rejected. */
    @ParameterizedTest
    @CsvSource({"62.5, 0", "62.4, 1", "100, 0", "0, 1"})
    void moreRejectionsThanAllowedAreAnError(String percent, int exitCode) throws IOException {
        ObjectNode bare = list("bare", JSON.readTree("{\"text\":\"red\"}"));
        candidate(bare, "a", JSON.readTree("{\"text\":\"red dress\"}"));
        candidate(bare, "b", JSON.readTree("{\"text\":\"\"}"));
        ObjectNode lost = list("lost", JSON.readTree("{\"text\":\"red\"}"));
        for (int i = 0; i < 4; i++) {
            candidate(lost, "x" + i, JSON.readTree("{\"images\":[\"nowhere.png\"]}"));
        }
        candidate(lost, "y", JSON.readTree("{\"images\":[\"exact.png\"]}"));
        candidate(lost, "z", JSON.readTree("{\"text\":\"mug\"}"));
        Files.writeString(input, bare + "\n" + lost + "\n");

        Cli run = rerank("--max-rejected", percent);

        assertThat(run.exitCode()).as(run.err()).isEqualTo(exitCode);
        assertThat(answers()).allMatch(answer -> answer.get("status").asText().equals("COMPLETE"));
        assertThat(run.err()).contains("5 of 8 candidates were rejected: IMAGE_NOT_FOUND 4, EMPTY 1");
        if (exitCode == 1) {
            assertThat(run.err())
                    .contains("more than " + percent + " % (--max-rejected); file: images are looked up below " + folder
                            + " (image.roots)");
        }
    }

    @Test
    void theDefaultAllowsFewRejections() throws IOException {
        ObjectNode list = list("q", JSON.readTree("{\"text\":\"red\"}"));
        for (int i = 0; i < 9; i++) {
            candidate(list, "a" + i, JSON.readTree("{\"text\":\"red dress\"}"));
        }
        Files.writeString(input, list + "\n");
        Cli none = rerank();
        assertThat(none.exitCode()).isZero();
        assertThat(none.err()).doesNotContain("rejected");

        candidate(list, "b", JSON.readTree("{}"));
        Files.writeString(input, list + "\n");
        Cli few = rerank();
        assertThat(few.exitCode()).isZero();
        assertThat(few.err()).contains("1 of 10 candidates were rejected: EMPTY 1");

        candidate(list, "c", JSON.readTree("{}"));
        Files.writeString(input, list + "\n");
        assertThat(rerank().exitCode()).isEqualTo(1);
        for (String wrong : List.of("-1", "101", "NaN")) {
            assertThat(rerank("--max-rejected", wrong).exitCode()).isEqualTo(2);
        }
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
}
