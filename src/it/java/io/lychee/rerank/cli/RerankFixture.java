package io.lychee.rerank.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** Runs {@code ./lychee rerank} with a golden checkpoint on lists in a temporary folder. */
abstract class RerankFixture {

    static final Path GOLDEN = Path.of("src/test/resources/golden").toAbsolutePath();
    static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;

    Path input;
    Path output;

    @BeforeEach
    void copyImages() throws IOException {
        input = folder.resolve("lists.jsonl");
        output = folder.resolve("out.jsonl");
        Files.createDirectory(folder.resolve("images"));
        copyImages(GOLDEN);
    }

    /** Copies a fixture's images to where the lists name them. */
    void copyImages(Path fixture) throws IOException {
        try (var images = Files.list(fixture.resolve("images"))) {
            for (Path image : images.toList()) {
                Path copy = folder.resolve("images").resolve(image.getFileName());
                Files.copy(image, copy, StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }

    void write(Path file, String... ids) throws IOException {
        List<String> lines = new ArrayList<>();
        for (String id : ids) {
            lines.add(list(id, JSON.readTree("{\"text\":\"q\"}")).toString());
        }
        Files.write(file, lines);
    }

    Cli rerank(String... more) {
        List<String> args = new ArrayList<>(List.of(more));
        args.addAll(List.of("--input", input.toString()));
        return run(args);
    }

    /** Runs with these inputs. */
    Cli run(String... inputs) {
        List<String> args = new ArrayList<>(List.of("--input"));
        args.addAll(List.of(inputs));
        return run(args);
    }

    Cli run(List<String> more) {
        List<String> args = new ArrayList<>(List.of("rerank", "--device", "cpu", "--output", output.toString()));
        args.addAll(more);
        if (!more.contains("--checkpoint")) {
            args.addAll(List.of("--checkpoint", GOLDEN.resolve("checkpoint").toString()));
        }
        return Cli.run(args.toArray(String[]::new));
    }

    List<JsonNode> answers() throws IOException {
        return read(output);
    }

    static List<JsonNode> read(Path file) throws IOException {
        List<JsonNode> lines = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            lines.add(JSON.readTree(line));
        }
        return lines;
    }

    static ObjectNode list(String id, JsonNode query) {
        ObjectNode list = JSON.createObjectNode();
        list.put("request_id", id);
        list.set("query", withReferences(query));
        list.putArray("candidates");
        return list;
    }

    static void candidate(ObjectNode list, String id, JsonNode content) {
        ObjectNode candidate = withReferences(content);
        candidate.put("id", id);
        ((ArrayNode) list.get("candidates")).add(candidate);
    }

    /** Turns file names of the fixture into references. */
    static ObjectNode withReferences(JsonNode content) {
        ObjectNode copy = content.deepCopy();
        ArrayNode images = copy.putArray("images");
        content.path("images").forEach(name -> images.add("file:images/" + name.asText()));
        return copy;
    }
}
