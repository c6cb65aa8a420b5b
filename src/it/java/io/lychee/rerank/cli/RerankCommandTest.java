package io.lychee.rerank.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

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

    @ParameterizedTest
    @ValueSource(strings = {"lists.jsonl", "other/lists.jsonl", "hard.jsonl", "link.jsonl", "images/../lists.jsonl"})
    void theOutputIsNoInputByWhateverPath(String path) throws IOException {
        write(input, "q0");
        String before = Files.readString(input);
        Files.createSymbolicLink(folder.resolve("other"), folder);
        Files.createLink(folder.resolve("hard.jsonl"), input);
        Files.createSymbolicLink(folder.resolve("link.jsonl"), input);
        output = folder.resolve(path);

        Cli refused = rerank();

        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.err()).contains("lychee: ").contains("--output");
        assertThat(input).hasContent(before);
        assertThat(folder.resolve("link.jsonl")).isSymbolicLink();
    }

    @Test
    void aFolderOfSomebodyElseIsLeftAlone() throws IOException {
        write(input, "q0");
        Path photo = Files.createDirectory(folder.resolve("out.jsonl.parts")).resolve("photo.jpg");
        Files.writeString(photo, "mine");
        for (String[] options : new String[][] {{}, {"--restart"}}) {
            Cli refused = rerank(options);
            assertThat(refused.exitCode()).isEqualTo(1);
            assertThat(refused.err()).contains("was not made by lychee rerank").contains("move it away");
            assertThat(photo).hasContent("mine");
        }
    }

    @Test
    void devicesAndPipesAreNoOutputAndAFileIsReplacedAtTheEndOnly() throws Exception {
        write(input, "q0");
        Path fifo = folder.resolve("fifo");
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor())
                .isZero();
        for (Path device : List.of(Path.of("/dev/null"), Path.of("/dev/stdout"), fifo)) {
            output = device;
            Cli refused = rerank();
            assertThat(refused.exitCode()).isEqualTo(1);
            assertThat(refused.err()).contains(device + " is a ").contains("can be read with cat");
        }

        output = folder.resolve("out.jsonl");
        Files.writeString(output, "of before");
        Files.createDirectory(folder.resolve("out.jsonl.dead-letters.jsonl"));
        assertThat(rerank().err()).contains("out.jsonl.dead-letters.jsonl is a folder");
        assertThat(output).hasContent("of before");
        Files.delete(folder.resolve("out.jsonl.dead-letters.jsonl"));
        assertThat(rerank().exitCode()).isZero();
        assertThat(answers()).hasSize(1);
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
    void filesFoldersAndGlobsComeOutInTheOrderOfTheirPaths() throws IOException {
        Path lists = Files.createDirectories(folder.resolve("lists/sub")).getParent();
        write(lists.resolve("b.jsonl"), "b0", "b1");
        write(lists.resolve("a.jsonl"), "a0");
        write(lists.resolve("sub/c.ndjson"), "c0", "c1");
        try (OutputStream packed = new GZIPOutputStream(Files.newOutputStream(lists.resolve("aa.jsonl.gz")))) {
            packed.write((list("aa0", JSON.readTree("{\"text\":\"q\"}")) + "\nno list\n").getBytes(UTF_8));
        }
        Files.writeString(lists.resolve("notes.txt"), "not for us");
        Files.writeString(lists.resolve("_hidden.jsonl"), "nor this");
        output = lists.resolve("out.jsonl");
        Files.writeString(output, "of an earlier run, and no input");

        Cli all = run(lists.toString());
        assertThat(all.exitCode()).as(all.err()).isEqualTo(1);
        assertThat(answers())
                .extracting(a -> a.get("request_id").asText())
                .containsExactly("a0", "aa0", "b0", "b1", "c0", "c1");
        assertThat(read(lists.resolve("out.jsonl.dead-letters.jsonl")))
                .singleElement()
                .satisfies(dead -> {
                    assertThat(dead.get("source").asText()).isEqualTo("aa.jsonl.gz");
                    assertThat(dead.get("offset").asLong()).isEqualTo(1);
                });

        output = folder.resolve("out.jsonl");
        Cli some = run(
                lists + "/sub/*", lists + "/?.jsonl", lists.resolve("a.jsonl").toString());
        assertThat(some.exitCode()).as(some.err()).isZero();
        assertThat(answers())
                .extracting(a -> a.get("request_id").asText())
                .containsExactly("a0", "b0", "b1", "c0", "c1");

        assertThat(run(lists + "/*.nothing").err()).contains("no file ").contains("*.nothing that can be read");
        assertThat(run(lists.toString(), "-D", "files.max-count=2").err())
                .contains("more than 2 files (files.max-count)");
    }

    @Test
    void aDamagedFileIsAnErrorBeforeAnythingIsScored() throws IOException {
        write(input, "q0", "q1");
        byte[] packed;
        try (ByteArrayOutputStream bytes = new ByteArrayOutputStream();
                OutputStream gzip = new GZIPOutputStream(bytes)) {
            gzip.write(Files.readAllBytes(input));
            gzip.flush();
            packed = bytes.toByteArray(); // without the end that close() writes
        }
        Files.write(input, packed);

        Cli refused = rerank();

        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.err()).contains(input + " can't be read behind list ");
        assertThat(output).doesNotExist();
    }

    @Test
    void twoRunsDoNotShareTheirParts() throws IOException {
        write(input, "q0");
        Path parts = Files.createDirectory(folder.resolve("out.jsonl.parts"));
        try (FileChannel other =
                        FileChannel.open(parts.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock held = other.lock()) {
            assertThat(held.isValid()).isTrue();
            assertThat(rerank().err()).contains("out.jsonl.parts is in use by another run");
        }
        assertThat(rerank().exitCode()).isZero();
    }

    @Test
    void whatItWritesIsNoInput() throws IOException {
        Path lists = Files.createDirectory(folder.resolve("lists"));
        write(lists.resolve("a.jsonl"), "a0");
        output = lists.resolve("out.jsonl");
        Path left = Files.createDirectories(lists.resolve("out.jsonl.parts/results"));
        write(left.resolve("left.jsonl"), "left");
        Files.writeString(left.resolveSibling("run.json"), "{\"format\":\"lychee rerank, version 2\"}");

        Cli run = run(lists + "/**");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(answers()).extracting(a -> a.get("request_id").asText()).containsExactly("a0");
    }

    private void write(Path file, String... ids) throws IOException {
        List<String> lines = new ArrayList<>();
        for (String id : ids) {
            lines.add(list(id, JSON.readTree("{\"text\":\"q\"}")).toString());
        }
        Files.write(file, lines);
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
        Files.createFile(folder.resolve("out.jsonl.parts/lock"));
        Files.writeString(
                folder.resolve("out.jsonl.parts/run.json"),
                "{\"format\":\"lychee rerank, version 2\",\"run\":[\"something else\"]}");
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
        List<String> args = new ArrayList<>(List.of(more));
        args.addAll(List.of("--input", input.toString()));
        return run(args);
    }

    /** Of inputs. */
    private Cli run(String... inputs) {
        List<String> args = new ArrayList<>(List.of("--input"));
        args.addAll(List.of(inputs));
        return run(args);
    }

    private Cli run(List<String> more) {
        List<String> args = new ArrayList<>(List.of(
                "rerank",
                "--checkpoint",
                GOLDEN.resolve("checkpoint").toString(),
                "--device",
                "cpu",
                "--output",
                output.toString()));
        args.addAll(more);
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
