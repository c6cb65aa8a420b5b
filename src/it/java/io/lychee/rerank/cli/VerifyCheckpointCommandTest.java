package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.checkpoint.Safetensors;
import io.lychee.rerank.qwen.CheckpointVariants;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code ./lychee verify-checkpoint} and what later starts make of its record. */
@Timeout(180)
class VerifyCheckpointCommandTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Path FIXTURES = Path.of("src/test/resources");

    @TempDir
    private Path folder;

    private Path checkpoint;

    @ParameterizedTest
    @ValueSource(strings = {"golden", "golden-qwen3"})
    void comparesWithTheScriptsOutput(String fixture) throws IOException {
        copyCheckpoint(fixture);

        Cli first = verify();
        assertThat(first.exitCode()).as(first.err()).isZero();
        assertThat(first.out()).contains("text, unrelated").contains("reference.py " + checkpoint);
        JsonNode spec = JSON.readTree(folder.resolve("pairs/pairs.json").toFile());
        assertThat(spec.path("instruction").asText())
                .startsWith(fixture.equals("golden") ? "Given a web search" : "Given a search query");
        assertThat(spec.path("max_pixels").asInt()).isEqualTo(fixture.equals("golden") ? 1_003_520 : 1_843_200);
        assertThat(spec.path("pairs")).hasSize(7);

        // as the script would write them, were it ours
        Files.write(folder.resolve("pairs/reference.jsonl"), lines(first.out(), 0));
        Cli same = verify();
        assertThat(same.exitCode()).as(same.out()).isZero();
        assertThat(same.out()).contains("agrees: the largest difference is 0.0000");

        Files.write(folder.resolve("pairs/reference.jsonl"), lines(first.out(), 0.002));
        Cli other = verify("--record");
        assertThat(other.exitCode()).isEqualTo(1);
        assertThat(other.out()).contains("DIFFERS: the largest difference is 0.00200; float32 allows 0.00100");
        assertThat(checkpoint.resolve("lychee-scores.json")).doesNotExist();
    }

    @Test
    void aStartComparesWithTheRecord() throws IOException {
        copyCheckpoint("golden");
        assertThat(verify("--record").out()).contains("recorded in " + checkpoint.resolve("lychee-scores.json"));
        assertThat(rerank().exitCode()).isZero();

        Path record = checkpoint.resolve("lychee-scores.json");
        ObjectNode scores = (ObjectNode) JSON.readTree(record.toFile());
        ObjectNode changed = scores.deepCopy();
        ObjectNode pairs = (ObjectNode) changed.get("scores");
        pairs.put("text, unrelated", pairs.get("text, unrelated").asDouble() + 0.01);
        Files.writeString(record, changed.toString());
        Cli refused = rerank();
        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.err())
                .contains("scores the pair \"text, unrelated\"")
                .contains("--record records anew");

        Files.writeString(record, scores.deepCopy().put("fingerprint", "0123").toString());
        assertThat(rerank().err()).contains("was recorded for 0123");

        Files.writeString(record, "{}");
        assertThat(rerank().err()).contains("lychee-scores.json can't be read");
    }

    /** All words are equally likely next, as where a conversion lost the head. */
    @Test
    void aCheckpointThatSaysNothingIsRefused() throws IOException {
        checkpoint = new CheckpointVariants()
                .put("lm_head.weight", List.of(704L, 64L))
                .write(Files.createDirectory(folder.resolve("checkpoint")), Safetensors.Type.F32);

        Cli refused = rerank();

        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.err())
                .contains("scores 7 unlike pairs the same, 0.500000")
                .contains("lm_head.weight");
    }

    @Test
    void nothingOfTheUsersIsOverwritten() throws IOException {
        copyCheckpoint("golden");
        Files.createDirectories(folder.resolve("pairs"));
        Files.writeString(folder.resolve("pairs/pairs.json"), "mine");

        Cli run = verify();

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err()).contains("pairs.json is there with other content; --folder names another folder");
        assertThat(folder.resolve("pairs/pairs.json")).hasContent("mine");
    }

    private void copyCheckpoint(String fixture) throws IOException {
        checkpoint = Files.createDirectory(folder.resolve("checkpoint"));
        try (var files = Files.list(FIXTURES.resolve(fixture).resolve("checkpoint"))) {
            for (Path file : files.toList()) {
                Files.copy(file, checkpoint.resolve(file.getFileName()));
            }
        }
    }

    private Cli verify(String... more) {
        List<String> args = new ArrayList<>(List.of("verify-checkpoint", checkpoint.toString(), "--device", "cpu"));
        args.addAll(List.of("--folder", folder.resolve("pairs").toString()));
        args.addAll(List.of(more));
        return Cli.run(args.toArray(String[]::new));
    }

    private Cli rerank() throws IOException {
        Path lists = folder.resolve("lists.jsonl");
        Files.writeString(lists, """
                {"request_id": "a", "query": {"text": "q"}, "candidates": [{"id": "b", "text": "c"}]}
                """);
        return Cli.run(
                "rerank",
                "--checkpoint",
                checkpoint.toString(),
                "--device",
                "cpu",
                "--input",
                lists.toString(),
                "--output",
                folder.resolve("out-%d.jsonl".formatted(System.nanoTime())).toString());
    }

    /** Makes the script's output of the printed scores. */
    private static List<String> lines(String printed, double more) {
        return printed.lines()
                .filter(line -> line.matches(".* {2,}0\\.\\d{5} *"))
                .map(line -> {
                    String name = line.substring(0, 34).trim();
                    double score = Double.parseDouble(line.substring(34).trim()) + more;
                    return JSON.createObjectNode()
                            .put("name", name)
                            .put("score", score)
                            .toString();
                })
                .toList();
    }
}
