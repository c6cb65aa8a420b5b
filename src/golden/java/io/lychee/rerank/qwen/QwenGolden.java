package io.lychee.rerank.qwen;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.checkpoint.Safetensors;
import io.lychee.rerank.config.Precision;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.prompt.PromptGolden;
import io.lychee.rerank.prompt.QwenEncoder;
import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.PromptPart;
import io.lychee.rerank.torch.TorchDevice;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;

/** Reads the fixture in {@code src/test/resources/golden}: the results of transformers for a tiny random checkpoint. */
public final class QwenGolden {

    static final Path DIRECTORY = Path.of("src/test/resources/golden");
    static final Path CHECKPOINT = DIRECTORY.resolve("checkpoint");
    /** The first token of {@code <Document>:}, with which a candidate begins. */
    private static final int DOCUMENT = documentToken();

    static final int IMAGE_TOKEN =
            QwenConfig.read(CheckpointFiles.of(CHECKPOINT.toString())).imageToken();

    private static final JsonNode CASES = cases();
    private static final Safetensors TENSORS = Safetensors.read(List.of(DIRECTORY.resolve("tensors.safetensors")));

    private static final QwenEncoder ENCODER =
            QwenEncoder.open(RerankConfig.of(Map.of("model.checkpoint", CHECKPOINT.toString())));

    private QwenGolden() {}

    /** One pair and its score in transformers. */
    record Case(
            String name, List<Integer> tokens, List<String> queryImages, List<String> candidateImages, double score) {

        boolean hasImages() {
            return !queryImages.isEmpty() || !candidateImages.isEmpty();
        }

        List<EncodedImage> images() {
            return Stream.of(queryImages, candidateImages)
                    .flatMap(List::stream)
                    .map(QwenGolden::image)
                    .toList();
        }

        PromptPart prefix() {
            return segment(tokens.subList(0, split()), queryImages);
        }

        PromptPart candidate() {
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

    static final QwenScorer.Bounds BOUNDS = new QwenScorer.Bounds(1 << 20, 8192, 8192);

    public static ByteBuffer all(Safetensors.Tensor tensor) {
        return tensor.rows(0, Math.toIntExact(tensor.shape().get(0))).map();
    }

    static RerankConfig.Model model(Path checkpoint) {
        return new RerankConfig.Model(checkpoint.toString(), "cpu", Precision.AUTO);
    }

    static QwenScorer open(Path checkpoint) {
        return QwenScorer.open(model(checkpoint), "cpu", BOUNDS, yes(), no(), progress -> {});
    }

    static QwenScorer open(TorchDevice device, Map<String, String> sources) {
        CheckpointFiles checkpoint = CheckpointFiles.of(CHECKPOINT.toString());
        QwenConfig config = QwenConfig.read(checkpoint);
        CheckpointTensors tensors = CheckpointTensors.match(config, Safetensors.read(checkpoint.weights()));
        ImageProcessorConfig preprocessor = ImageProcessorConfig.read(checkpoint);
        ModelInfo model = new ModelInfo("golden", "");
        return QwenScorer.open(config, preprocessor, device, sources, BOUNDS, model, network -> {
            WeightLoading.load(tensors, network, true, progress -> {});
            network.finish(tensors.head().rows(yes(), 1), tensors.head().rows(no(), 1));
        });
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

    static Case named(String name) {
        return all().stream().filter(c -> c.name.equals(name)).findFirst().orElseThrow();
    }

    /** Decodes and resizes an image of the fixture, as the job does. */
    static EncodedImage image(String name) {
        try {
            byte[] bytes = Files.readAllBytes(DIRECTORY.resolve("images").resolve(name));
            Content content = new Content(null, List.of(new Image.Bytes(bytes)));
            return ENCODER.encodeCandidate(PromptGolden.candidate(content), List.of(bytes))
                    .images()
                    .get(0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (RejectedException e) {
            throw new IllegalStateException(e);
        }
    }

    static float[] floats(String tensor) {
        FloatBuffer buffer = all(tensor(tensor)).asFloatBuffer();
        float[] values = new float[buffer.remaining()];
        buffer.get(values);
        return values;
    }

    static int[] ints(String tensor) {
        IntBuffer buffer = all(tensor(tensor)).asIntBuffer();
        int[] values = new int[buffer.remaining()];
        buffer.get(values);
        return values;
    }

    private static Safetensors.Tensor tensor(String name) {
        return Objects.requireNonNull(TENSORS.tensors().get(name), name);
    }

    private static PromptPart segment(List<Integer> tokens, List<String> images) {
        int[] ids = tokens.stream().mapToInt(i -> i).toArray();
        int vision = (int) Arrays.stream(ids).filter(id -> id == IMAGE_TOKEN).count();
        return new PromptPart(ids, images.stream().map(QwenGolden::image).toList(), vision, false);
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
