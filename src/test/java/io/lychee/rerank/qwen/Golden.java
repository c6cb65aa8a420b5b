package io.lychee.rerank.qwen;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.config.CheckpointFiles;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.Segment;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import javax.imageio.ImageIO;

/** The fixture of {@code src/test/resources/golden}: what transformers computed with a tiny random checkpoint. */
final class Golden {

    static final Path DIRECTORY = Path.of("src/test/resources/golden");
    static final Path CHECKPOINT = DIRECTORY.resolve("checkpoint");
    /** The first token of {@code <Document>:}, which the prefix ends in front of. */
    private static final int DOCUMENT = documentToken();

    static final int IMAGE_TOKEN =
            QwenConfig.read(CheckpointFiles.of(CHECKPOINT.toString())).imageToken();

    private static final JsonNode CASES = cases();
    private static final Safetensors TENSORS = Safetensors.read(List.of(DIRECTORY.resolve("tensors.safetensors")));

    private Golden() {}

    /** One pair and what transformers made of it. */
    record Case(
            String name, List<Integer> tokens, List<String> queryImages, List<String> candidateImages, double score) {

        boolean hasImages() {
            return !queryImages.isEmpty() || !candidateImages.isEmpty();
        }

        List<EncodedImage> images() {
            return Stream.of(queryImages, candidateImages)
                    .flatMap(List::stream)
                    .map(Golden::image)
                    .toList();
        }

        /** Whether its images need no resizing. */
        boolean isExact() {
            return List.of("square.png", "exact.png").containsAll(queryImages)
                    && List.of("square.png", "exact.png").containsAll(candidateImages);
        }

        Segment prefix() {
            return segment(tokens.subList(0, split()), queryImages);
        }

        Segment candidate() {
            return segment(tokens.subList(split(), tokens.size()), candidateImages);
        }

        Pass.Group group() {
            return new Pass.Group(prefix(), List.of(candidate()));
        }

        private int split() {
            return tokens.lastIndexOf(DOCUMENT);
        }

        @Override
        public String toString() {
            return name;
        }
    }

    static RerankConfig.Model model(Path checkpoint) {
        return new RerankConfig.Model(checkpoint.toString(), "cpu");
    }

    static QwenScorer open(Path checkpoint) {
        return QwenScorer.open(model(checkpoint), yes(), no());
    }

    static int yes() {
        return CASES.path("yes_id").asInt();
    }

    static int no() {
        return CASES.path("no_id").asInt();
    }

    static List<Case> all() {
        List<Case> cases = new ArrayList<>();
        for (JsonNode node : CASES.path("cases")) {
            List<Integer> tokens = new ArrayList<>();
            node.path("input_ids").forEach(id -> tokens.add(id.asInt()));
            cases.add(new Case(
                    node.path("name").asText(),
                    tokens,
                    names(node.path("query").path("images")),
                    names(node.path("document").path("images")),
                    node.path("score").asDouble()));
        }
        return cases;
    }

    /** The cases whose images, if any, need no resizing. */
    static List<Case> exact() {
        return all().stream().filter(Case::isExact).toList();
    }

    static Case named(String name) {
        return all().stream().filter(c -> c.name.equals(name)).findFirst().orElseThrow();
    }

    /** An image of the fixture whose sides are multiples of 28 already. */
    static EncodedImage image(String name) {
        try {
            BufferedImage image =
                    ImageIO.read(DIRECTORY.resolve("images").resolve(name).toFile());
            ByteBuffer rgb = ByteBuffer.allocateDirect(image.getWidth() * image.getHeight() * 3);
            for (int y = 0; y < image.getHeight(); y++) {
                for (int x = 0; x < image.getWidth(); x++) {
                    for (int band = 0; band < 3; band++) {
                        rgb.put((byte) image.getRaster().getSample(x, y, band));
                    }
                }
            }
            return new EncodedImage(image.getHeight(), image.getWidth(), rgb.flip());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static float[] floats(String tensor) {
        FloatBuffer buffer = tensor(tensor).map().asFloatBuffer();
        float[] values = new float[buffer.remaining()];
        buffer.get(values);
        return values;
    }

    static int[] ints(String tensor) {
        IntBuffer buffer = tensor(tensor).map().asIntBuffer();
        int[] values = new int[buffer.remaining()];
        buffer.get(values);
        return values;
    }

    private static Safetensors.Tensor tensor(String name) {
        return Objects.requireNonNull(TENSORS.tensors().get(name), name);
    }

    private static Segment segment(List<Integer> tokens, List<String> images) {
        int[] ids = tokens.stream().mapToInt(i -> i).toArray();
        int vision = (int) Arrays.stream(ids).filter(id -> id == IMAGE_TOKEN).count();
        return new Segment(ids, images.stream().map(Golden::image).toList(), vision, false);
    }

    private static List<String> names(JsonNode node) {
        List<String> names = new ArrayList<>();
        node.forEach(name -> names.add(name.asText()));
        return names;
    }

    private static JsonNode cases() {
        return json(DIRECTORY.resolve("cases.json"));
    }

    private static int documentToken() {
        return json(CHECKPOINT.resolve("tokenizer.json"))
                .at("/model/vocab/<Document")
                .asInt();
    }

    static JsonNode json(Path file) {
        try {
            return new ObjectMapper().readTree(file.toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
