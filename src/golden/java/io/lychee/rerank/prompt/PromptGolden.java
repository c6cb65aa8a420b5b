package io.lychee.rerank.prompt;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;

/** Reads the fixtures golden and golden-qwen3 in {@code src/test/resources}; a README says what made them. */
public final class PromptGolden {

    static final Path FOLDER = Path.of("src/test/resources/golden");

    private PromptGolden() {}

    /** A configuration for a fixture's checkpoint and images. */
    public static RerankConfig configOf(String fixture) {
        return config(
                checkpoint(fixture),
                "image.roots",
                folder(fixture).resolve("images").toString());
    }

    /** A configuration for the tiny checkpoint. */
    public static RerankConfig config(String... overrides) {
        return config(FOLDER.resolve("checkpoint"), overrides);
    }

    static Path checkpoint(String fixture) {
        return folder(fixture).resolve("checkpoint");
    }

    static Path folder(String fixture) {
        return FOLDER.resolveSibling(fixture);
    }

    public static RerankConfig config(Path checkpoint, String... overrides) {
        Map<String, String> values = new TreeMap<>();
        values.put("model.checkpoint", checkpoint.toString());
        values.put("image.roots", FOLDER.resolve("images").toString());
        for (int i = 0; i < overrides.length; i += 2) {
            values.put(overrides[i], overrides[i + 1]);
        }
        return RerankConfig.of(values);
    }

    /** A folder with the published Qwen2.5 tokenizer, a configuration and a preprocessor. */
    static Path published(Path folder) throws IOException {
        try (InputStream in =
                new GZIPInputStream(Files.newInputStream(FOLDER.resolve("qwen").resolve("tokenizer.json.gz")))) {
            Files.copy(in, folder.resolve("tokenizer.json"));
        }
        for (String name : List.of("config.json", "preprocessor_config.json")) {
            Files.copy(FOLDER.resolve("checkpoint").resolve(name), folder.resolve(name));
        }
        return folder;
    }

    static JsonNode json(Path file) {
        try {
            return new ObjectMapper().readTree(file.toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static int[] ids(JsonNode array) {
        int[] ids = new int[array.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = array.get(i).asInt();
        }
        return ids;
    }

    /** A side of a case, images as file references. */
    static Content content(JsonNode side) {
        JsonNode text = side.get("text");
        List<Image> images = side.get("images")
                .valueStream()
                .<Image>map(name -> new Image.Reference("file:" + name.asText()))
                .toList();
        return new Content(text.isNull() ? null : text.asText(), images);
    }

    public static Candidate candidate(Content content) {
        return new Candidate("a", content, null, Map.of(), null);
    }

    /** One float32 tensor of a fixture. */
    public static float[] tensor(String fixture, String name) {
        try {
            ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(folder(fixture).resolve("tensors.safetensors")))
                    .order(ByteOrder.LITTLE_ENDIAN);
            int header = Math.toIntExact(file.getLong(0));
            JsonNode entry = new ObjectMapper()
                    .readTree(new String(file.array(), 8, header, StandardCharsets.UTF_8))
                    .get(name);
            if (!entry.get("dtype").asText().equals("F32")) {
                throw new IllegalArgumentException(name + " is " + entry.get("dtype"));
            }
            int begin = 8 + header + entry.get("data_offsets").get(0).asInt();
            int end = 8 + header + entry.get("data_offsets").get(1).asInt();
            float[] values = new float[(end - begin) / 4];
            file.position(begin);
            file.slice().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
            return values;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
