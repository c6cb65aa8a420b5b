package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.checkpoint.NetworkConfig;
import io.lychee.rerank.checkpoint.TensorShapes;
import io.lychee.rerank.config.Precision;
import io.lychee.rerank.engine.MemoryCheck;
import io.lychee.rerank.torch.TorchDevice;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** {@code ./lychee models} lists what is known, and what this machine can hold. */
@Timeout(60)
class ModelsCommandTest {

    private static final int COLUMNS = 100;
    private static final List<Precision> PRECISIONS = List.of(Precision.FLOAT32, Precision.BFLOAT16, Precision.FP8);

    /** What sizes are made of, as each checkpoint's config.json has it. */
    private static final Map<String, String> CONFIGS =
            Map.of("vec-ai/lychee-rerank-mm", """
            {"model_type": "qwen2_5_vl", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
             "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064, "rms_norm_eps": 1e-6,
             "tie_word_embeddings": false, "vision_config": {"hidden_size": 1280}}""", "Qwen/Qwen3-VL-Reranker-8B", """
            {"model_type": "qwen3_vl", "tie_word_embeddings": false,
             "text_config": {"hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
                             "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 151936},
             "vision_config": {"out_hidden_size": 4096}}""", "Qwen/Qwen3-VL-Reranker-2B", """
            {"model_type": "qwen3_vl", "tie_word_embeddings": true,
             "text_config": {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28,
                             "num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 151936},
             "vision_config": {"hidden_size": 1024, "intermediate_size": 4096, "depth": 24,
                               "out_hidden_size": 2048, "deepstack_visual_indexes": [5, 11, 17]}}""");

    @Test
    void sizesAreThoseOfTheNetworks() throws Exception {
        List<KnownCheckpoint> all = KnownCheckpoint.all();

        assertThat(all).extracting(KnownCheckpoint::name).containsExactlyInAnyOrderElementsOf(CONFIGS.keySet());
        for (KnownCheckpoint known : all) {
            NetworkConfig config = NetworkConfig.parse(new ObjectMapper().readTree(CONFIGS.get(known.name())));
            assertThat(known.family()).isEqualTo(config.family().modelType());
            assertThat(known.parameters()).as(known.name()).isEqualTo(parameters(config));
            known.mebibytes()
                    .forEach((precision, mebibytes) -> assertThat(known.facts().get("memory"))
                            .anyMatch(fact -> fact.value().startsWith("%s: %,d MiB".formatted(precision, mebibytes))));
            assertThat(known.bytes()).as(known.name()).isEqualTo(2 * parameters(config));
        }
    }

    /** A tied head is the embedding, and in no file. */
    private static long parameters(NetworkConfig config) {
        return TensorShapes.of(config).entrySet().stream()
                .filter(tensor ->
                        !Boolean.TRUE.equals(config.tied()) || !tensor.getKey().equals(TensorShapes.HEAD))
                .mapToLong(tensor -> tensor.getValue().stream().reduce(1L, Math::multiplyExact))
                .sum();
    }

    @Test
    void everyCheckpointAndThisMachine() {
        Cli run = Cli.run("models");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out())
                .contains(CONFIGS.keySet())
                .contains(
                        "8,292,166,656 parameters, 16.58 GB on disk", "bfloat16: 18,865 MiB in use over", " 19.78 GB ")
                .containsPattern("(?m)^This machine\n  cpu, \\d+ cores, free memory \\d+\\.\\d\\d GB$")
                .containsPattern("(?m)^  GPUs: \\S+")
                .contains("./lychee pull NAME, then ./lychee up --checkpoint hf:NAME")
                .doesNotContain("null", "[]");
        assertThat(run.out().lines())
                .allSatisfy(line -> assertThat(line.stripTrailing()).hasSizeLessThanOrEqualTo(COLUMNS));
    }

    @Test
    void theSameAsJson() throws Exception {
        JsonNode report =
                new ObjectMapper().readTree(Cli.run("models", "--json").out());

        assertThat(report.findValuesAsText("name"))
                .containsAll(CONFIGS.keySet())
                .contains("cpu");
        for (String key : List.of("name", "family", "value", "source", "gpus", "precision", "description")) {
            assertThat(report.findValuesAsText(key))
                    .as(key)
                    .isNotEmpty()
                    .allSatisfy(value -> assertThat(value).isNotBlank().isNotEqualTo("null"));
        }
        long free = report.at("/devices/0/freeBytes").asLong();
        assertThat(free).isBetween(1L, 2 * MemoryCheck.available());
        assertThat(report.path("fits")).hasSize(PRECISIONS.size() * CONFIGS.size());
        for (JsonNode fit : report.path("fits")) {
            if (fit.path("precision").asText().equals("float32")) {
                assertThat(fit.at("/devices/cpu").asText())
                        .isEqualTo(fit.path("weightBytes").asLong() <= free ? "fits" : "too large");
            } else {
                assertThat(fit.path("devices").has("cpu")).isFalse();
            }
        }
    }

    @Test
    void gpusByWhatTheyHaveAndCompute() throws Exception {
        KnownCheckpoint lychee = KnownCheckpoint.all().get(0);
        List<Precision> all = List.of(Precision.BFLOAT16, Precision.FP8);
        List<ModelsCommand.Device> devices = List.of(
                new ModelsCommand.Device("cpu", "", List.of(Precision.FLOAT32), Long.MAX_VALUE),
                new ModelsCommand.Device("cuda:0", "", all, lychee.bytes()),
                new ModelsCommand.Device("cuda:1", "", all, lychee.bytes() - 1),
                new ModelsCommand.Device("cuda:2", "", List.of(Precision.BFLOAT16), lychee.bytes()),
                new ModelsCommand.Device("cuda:3", "", all, null));

        assertThat(PRECISIONS)
                .extracting(precision ->
                        ModelsCommand.fit(lychee, precision, devices).devices().toString())
                .containsExactly(
                        "{cpu=fits}",
                        "{cuda:0=fits, cuda:1=too large, cuda:2=fits, cuda:3=free memory unknown}",
                        "{cuda:0=fits, cuda:1=fits, cuda:2=no fp8, cuda:3=free memory unknown}");
        assertThat(new TorchDevice("cuda:0", "bfloat16", false).card()).isNotBlank();
    }

    @Test
    void withoutPyTorchTheRestIsThere() {
        System.setProperty("PYTORCH_LIBRARY_PATH", "nowhere");
        try {
            Cli run = Cli.run("models");

            assertThat(run.exitCode()).as(run.err()).isZero();
            assertThat(run.out())
                    .contains("GPUs: unknown: PYTORCH_LIBRARY_PATH is nowhere; expected the folder")
                    .contains(CONFIGS.keySet())
                    .contains("free memory ");
        } finally {
            System.clearProperty("PYTORCH_LIBRARY_PATH");
        }
    }
}
