package io.lychee.rerank.engine;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.Families;
import io.lychee.rerank.checkpoint.Family;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.prompt.QwenEncoder;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.Scorer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Holds a few unlike pairs of text and images, bundled in {@code src/main/resources/verify}, on which a checkpoint
 * shows whether it scores as its publisher meant.
 */
public final class ReferencePairs {

    private static final Logger LOG = LoggerFactory.getLogger(ReferencePairs.class);
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Beside the pairs: what a folder for other tools needs. */
    private static final List<String> FILES = List.of("reference.py", "dress.png", "mug.jpg");

    private ReferencePairs() {}

    /**
     * Scores each pair in a pass of its own, but for those that the configured limits reject.
     *
     * @return scores by name, in order; NaN where the network comes to no number
     * @throws io.lychee.rerank.scoring.ScoringException when the device fails
     */
    public static Map<String, Double> score(QwenEncoder encoder, Scorer scorer) {
        Map<String, Double> scores = new LinkedHashMap<>();
        for (JsonNode pair : pairs()) {
            try {
                Content query = content(pair.path("query"));
                Candidate candidate = new Candidate("", content(pair.path("document")), null, Map.of(), null);
                Pass.Group group = new Pass.Group(
                        encoder.encodePrefix(null, query, bytes(query)),
                        List.of(encoder.encodeCandidate(candidate, bytes(candidate.content()))));
                float score = scorer.start(new Pass(List.of(group))).await()[0];
                scores.put(pair.path("name").asText(), (double) score);
            } catch (RejectedException e) {
                LOG.debug("reference pair {}: {}", pair, e.getMessage());
            }
        }
        return scores;
    }

    /**
     * Writes pairs, images and a script that scores them with transformers.
     *
     * @param folder created if absent
     * @throws FileAlreadyExistsException when a file is there already, with other content
     */
    public static void write(Path folder, RerankConfig config) throws IOException {
        Files.createDirectories(folder);
        CheckpointFiles checkpoint = CheckpointFiles.of(config.model().checkpoint());
        Family family = Families.of(checkpoint);
        ObjectNode spec = JSON.createObjectNode()
                .put("system", config.prompt().system())
                .put("template", config.prompt().template())
                .put("instruction", family.instruction(config.prompt()))
                .put(
                        "min_pixels",
                        Math.max(
                                family.minPixels(config.limits()),
                                family.preprocessor(checkpoint).minPixels()))
                .put(
                        "max_pixels",
                        Math.min(
                                family.maxPixels(config.limits()),
                                family.preprocessor(checkpoint).maxPixels()))
                .set("pairs", pairs());
        write(
                folder.resolve("pairs.json"),
                JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(spec));
        for (String name : FILES) {
            write(folder.resolve(name), resource(name));
        }
    }

    private static void write(Path file, byte[] content) throws IOException {
        if (!Files.exists(file)) {
            Files.write(file, content);
        } else if (!Arrays.equals(Files.readAllBytes(file), content)) {
            throw new FileAlreadyExistsException(file.toString());
        }
    }

    private static JsonNode pairs() {
        try {
            return JSON.readTree(resource("pairs.json"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Content content(JsonNode side) {
        List<Image> images = new ArrayList<>();
        side.path("images").forEach(name -> images.add(new Image.Bytes(resource(name.asText()))));
        @Nullable
        String text = side.path("text").isNull() ? null : side.path("text").asText();
        return new Content(text, images);
    }

    private static List<byte[]> bytes(Content content) {
        return content.images().stream()
                .map(image -> ((Image.Bytes) image).data())
                .toList();
    }

    private static byte[] resource(String name) {
        try (InputStream in = ReferencePairs.class.getResourceAsStream("/verify/" + name)) {
            if (in == null) {
                throw new IllegalStateException("no resource verify/" + name);
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
