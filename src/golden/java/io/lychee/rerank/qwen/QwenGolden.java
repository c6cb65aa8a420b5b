package io.lychee.rerank.qwen;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.checkpoint.NetworkConfig;
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

/** Reads a fixture in {@code src/test/resources}: the results of transformers for a tiny random checkpoint. */
@SuppressWarnings("ImmutableEnumChecker") // reads files once
public enum QwenGolden {
    QWEN2_5("golden"),
    QWEN3("golden-qwen3");

    private final Path directory;
    private final JsonNode json;
    private final Safetensors tensors;
    private final QwenEncoder encoder;
    /** The first token of {@code <Document>:}, with which a candidate begins. */
    private final int documentToken;

    final Path checkpoint;
    final NetworkConfig config;

    QwenGolden(String name) {
        directory = Path.of("src/test/resources").resolve(name);
        checkpoint = directory.resolve("checkpoint");
        config = NetworkConfig.read(CheckpointFiles.of(checkpoint.toString()));
        json = json(directory.resolve("cases.json"));
        tensors = Safetensors.read(List.of(directory.resolve("tensors.safetensors")));
        encoder = QwenEncoder.open(RerankConfig.of(Map.of("model.checkpoint", checkpoint.toString())));
        documentToken = json(checkpoint.resolve("tokenizer.json"))
                .at("/model/vocab/<Document")
                .asInt();
    }

    /** One pair and its score in transformers. */
    record Case(
            QwenGolden golden,
            String name,
            List<Integer> tokens,
            List<String> queryImages,
            List<String> candidateImages,
            double score) {

        boolean hasImages() {
            return !queryImages.isEmpty() || !candidateImages.isEmpty();
        }

        List<EncodedImage> images() {
            return Stream.of(queryImages, candidateImages)
                    .flatMap(List::stream)
                    .map(golden::image)
                    .toList();
        }

        PromptPart prefix() {
            return golden.segment(tokens.subList(0, split()), queryImages);
        }

        PromptPart candidate() {
            return golden.segment(tokens.subList(split(), tokens.size()), candidateImages);
        }

        Pass.Group group() {
            return new Pass.Group(prefix(), List.of(candidate()));
        }

        private int split() {
            return tokens.lastIndexOf(golden.documentToken);
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

    QwenScorer open() {
        return open(checkpoint);
    }

    /** Opens a checkpoint with this one's tokenizer. */
    QwenScorer open(Path other) {
        return QwenScorer.open(model(other), "cpu", BOUNDS, yes(), no(), progress -> {});
    }

    QwenScorer open(TorchDevice device, Map<String, String> sources) {
        CheckpointFiles files = CheckpointFiles.of(checkpoint.toString());
        CheckpointTensors weights = CheckpointTensors.match(config, Safetensors.read(files.weights()));
        ImageProcessorConfig preprocessor = config.family().preprocessor(files);
        ModelInfo model = new ModelInfo("golden", "");
        return QwenScorer.open(config, preprocessor, device, sources, BOUNDS, model, network -> {
            WeightLoading.load(weights, network, true, progress -> {});
            network.finish(weights.head().rows(yes(), 1), weights.head().rows(no(), 1));
        });
    }

    /** Reads the source of this family for the CPU. */
    Map<String, String> sources() {
        return QwenNetwork.sources(config.family(), TorchDevice.CPU);
    }

    int yes() {
        return json.path("yes_id").asInt();
    }

    int no() {
        return json.path("no_id").asInt();
    }

    List<Case> cases() {
        List<Case> cases = new ArrayList<>();
        for (JsonNode node : json.path("cases")) {
            List<Integer> tokens = new ArrayList<>();
            node.path("input_ids").forEach(id -> tokens.add(id.asInt()));
            cases.add(new Case(
                    this,
                    node.path("name").asText(),
                    tokens,
                    names(node.path("query").path("images")),
                    names(node.path("document").path("images")),
                    node.path("score").asDouble()));
        }
        return cases;
    }

    Case named(String name) {
        return cases().stream().filter(c -> c.name.equals(name)).findFirst().orElseThrow();
    }

    /** Asserts the scores of all cases in one pass. */
    void assertScores(QwenScorer scorer, double tolerance) {
        List<Case> cases = cases();
        assertThat(cases).hasSizeGreaterThanOrEqualTo(6);
        float[] scores = scorer.score(new Pass(cases.stream().map(Case::group).toList()));
        for (int i = 0; i < scores.length; i++) {
            assertThat((double) scores[i])
                    .as("%s of %s", cases.get(i), this)
                    .isCloseTo(cases.get(i).score(), within(tolerance));
        }
    }

    /** Decodes and resizes an image of the fixture, as the job does. */
    EncodedImage image(String name) {
        try {
            byte[] bytes = Files.readAllBytes(directory.resolve("images").resolve(name));
            Content content = new Content(null, List.of(new Image.Bytes(bytes)));
            return encoder.encodeCandidate(PromptGolden.candidate(content), List.of(bytes))
                    .images()
                    .get(0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (RejectedException e) {
            throw new IllegalStateException(e);
        }
    }

    boolean has(String tensor) {
        return tensors.tensors().containsKey(tensor);
    }

    float[] floats(String tensor) {
        FloatBuffer buffer = all(tensor(tensor)).asFloatBuffer();
        float[] values = new float[buffer.remaining()];
        buffer.get(values);
        return values;
    }

    int[] ints(String tensor) {
        IntBuffer buffer = all(tensor(tensor)).asIntBuffer();
        int[] values = new int[buffer.remaining()];
        buffer.get(values);
        return values;
    }

    private Safetensors.Tensor tensor(String name) {
        return Objects.requireNonNull(tensors.tensors().get(name), name);
    }

    private PromptPart segment(List<Integer> tokens, List<String> images) {
        int[] ids = tokens.stream().mapToInt(i -> i).toArray();
        int vision =
                (int) Arrays.stream(ids).filter(id -> id == config.imageToken()).count();
        return new PromptPart(ids, images.stream().map(this::image).toList(), vision, false);
    }

    private static List<String> names(JsonNode node) {
        List<String> names = new ArrayList<>();
        node.forEach(name -> names.add(name.asText()));
        return names;
    }

    static JsonNode json(Path file) {
        try {
            return new ObjectMapper().readTree(file.toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
