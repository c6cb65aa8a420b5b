package io.lychee.rerank.qwen;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.checkpoint.Safetensors;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.torch.TorchDevice;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Loads every published form of a checkpoint to the golden scores, and refuses faulty ones. */
class CheckpointLoadingTest {

    private static final String GATE = "model.layers.1.mlp.gate_proj.weight";

    @TempDir
    Path directory;

    @Test
    void new_tensor_names_in_shards() {
        new CheckpointVariants()
                .rename(name -> name.startsWith("visual.")
                        ? "model." + name
                        : name.replaceFirst("^model\\.", "model.language_model."))
                .writeShards(directory, 3);

        assertScores(1e-4);
    }

    @Test
    void flat_config_of_older_versions() {
        new CheckpointVariants().config(CheckpointLoadingTest::flatten).write(directory, Safetensors.Type.F32);

        assertScores(1e-4);
    }

    @Test
    void bf16_weights() {
        new CheckpointVariants().roundToBf16().write(directory, Safetensors.Type.F32);
        float[] rounded = scores();
        new CheckpointVariants().write(emptied(), Safetensors.Type.BF16);

        assertThat(scores()).containsExactly(rounded);
    }

    @Test
    void f16_weights() {
        new CheckpointVariants().write(directory, Safetensors.Type.F16);

        assertScores(2e-2);
    }

    /** Computes in a GPU's dtype on the CPU. The random network magnifies the rounding. */
    @ParameterizedTest
    @EnumSource(QwenGolden.class)
    void computing_in_bf16(QwenGolden golden) {
        try (QwenScorer scorer = golden.open(new TorchDevice("cpu", "bfloat16", false), golden.sources())) {
            golden.assertScores(scorer, 0.05);
        }
    }

    @Test
    void a_tied_head_scores_with_the_embedding() {
        CheckpointVariants variant = new CheckpointVariants();
        CheckpointVariants.Raw embedding = variant.tensor("model.embed_tokens.weight");
        variant.put("lm_head.weight", embedding).write(directory, Safetensors.Type.F32);
        float[] untied = scores();
        // with a saved head, without one, and without the key in config.json
        variant.put("lm_head.weight", embedding.shape())
                .config(config -> config.put("tie_word_embeddings", true))
                .write(emptied(), Safetensors.Type.F32);
        assertThat(scores()).containsExactly(untied);
        variant.remove("lm_head.weight").write(emptied(), Safetensors.Type.F32);
        assertThat(scores()).containsExactly(untied);
        variant.config(config -> config.remove("tie_word_embeddings")).write(emptied(), Safetensors.Type.F32);
        assertThat(scores()).containsExactly(untied);
    }

    @Test
    void a_missing_tensor_is_named() {
        new CheckpointVariants().remove(GATE).write(directory, Safetensors.Type.F32);

        assertRefused("lacks tensor " + GATE + " [160, 64]", "model.safetensors");
    }

    @Test
    void an_extra_tensor_is_named() {
        new CheckpointVariants()
                .put("model.layers.3.mlp.gate_proj.weight", List.of(160L, 64L))
                .write(directory, Safetensors.Type.F32);

        assertRefused("model.safetensors", "has tensor model.layers.3.mlp.gate_proj.weight [160, 64]", "no place");
    }

    @Test
    void a_misshapen_tensor_is_named() {
        new CheckpointVariants().put(GATE, List.of(64L, 160L)).write(directory, Safetensors.Type.F32);

        assertRefused("model.safetensors", GATE + " of shape [64, 160]", "asks for [160, 64]");
    }

    @Test
    void one_tensor_under_both_names_is_refused() {
        new CheckpointVariants()
                .put("model.language_model.norm.weight", List.of(64L))
                .write(directory, Safetensors.Type.F32);

        assertRefused("model.norm.weight", "model.language_model.norm.weight", "are the same one");
    }

    @Test
    void a_missing_shard_is_named() throws IOException {
        new CheckpointVariants().writeShards(directory, 2);
        Files.delete(directory.resolve("model-00002-of-00002.safetensors"));

        assertRefused("has no model-00002-of-00002.safetensors");
    }

    @Test
    void a_file_cut_short_is_refused() throws IOException {
        new CheckpointVariants().write(directory, Safetensors.Type.F32);
        Path file = directory.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(bytes, bytes.length - 4));

        assertRefused("model.safetensors", "was its download cut short?");
    }

    @Test
    void a_directory_without_weights_or_without_config_or_none_at_all() throws IOException {
        assertRefused("has no config.json");
        new CheckpointVariants().write(directory, Safetensors.Type.F32);
        Files.delete(directory.resolve("model.safetensors"));
        assertRefused("has neither model.safetensors nor model.safetensors.index.json");
        assertThatThrownBy(() -> QwenGolden.QWEN2_5.open(directory.resolve("nowhere")))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("model.checkpoint is " + directory.resolve("nowhere"));
    }

    @Test
    void another_device_than_there_is() {
        RerankConfig.Model model = QwenGolden.model(QwenGolden.QWEN2_5.checkpoint);
        assertThatThrownBy(() -> QwenScorer.open(
                        model,
                        "tpu",
                        QwenGolden.BOUNDS,
                        QwenGolden.QWEN2_5.yes(),
                        QwenGolden.QWEN2_5.no(),
                        progress -> {}))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("model.device is tpu; expected cpu, cuda, cuda:N or auto");
        // the tests' PyTorch is built for the CPU alone
        assertThatThrownBy(() -> QwenScorer.open(
                        model,
                        "cuda:3",
                        QwenGolden.BOUNDS,
                        QwenGolden.QWEN2_5.yes(),
                        QwenGolden.QWEN2_5.no(),
                        progress -> {}))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("model.device is cuda:3")
                .hasMessageContaining("is built for the CPU only; expected one with CUDA, which PYTORCH_LIBRARY_PATH")
                .hasMessageNotContainingAny("\n");
    }

    @Test
    void the_fingerprint_tells_checkpoints_apart() {
        new CheckpointVariants().write(directory, Safetensors.Type.F32);
        String same = fingerprint();
        assertThat(same).matches("[0-9a-f]{16}").isEqualTo(fingerprint());
        new CheckpointVariants().put("model.norm.weight", List.of(64L)).write(emptied(), Safetensors.Type.F32);
        assertThat(fingerprint()).isNotEqualTo(same);
    }

    private String fingerprint() {
        try (QwenScorer scorer = QwenGolden.QWEN2_5.open(directory)) {
            assertThat(scorer.model().name()).isEqualTo(directory.getFileName().toString());
            return scorer.model().fingerprint();
        }
    }

    private float[] scores() {
        try (QwenScorer scorer = QwenGolden.QWEN2_5.open(directory)) {
            return scorer.score(new Pass(QwenGolden.QWEN2_5.cases().stream()
                    .map(QwenGolden.Case::group)
                    .toList()));
        }
    }

    private void assertScores(double tolerance) {
        try (QwenScorer scorer = QwenGolden.QWEN2_5.open(directory)) {
            QwenGolden.QWEN2_5.assertScores(scorer, tolerance);
        }
    }

    private void assertRefused(String... parts) {
        assertThatThrownBy(() -> QwenGolden.QWEN2_5.open(directory))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("model.checkpoint")
                .hasMessageContainingAll(parts);
    }

    private Path emptied() {
        try (var files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return directory;
    }

    /** Converts to the form of transformers 4.49: language-model keys at the top, no defaults, other spellings. */
    private static void flatten(ObjectNode config) {
        ObjectNode text = (ObjectNode) config.remove("text_config");
        ObjectNode rope = (ObjectNode) text.remove("rope_parameters");
        text.remove(List.of("model_type", "dtype"));
        config.setAll(text);
        config.put("rope_theta", 1e6);
        config.putObject("rope_scaling").put("type", "mrope").set("mrope_section", rope.path("mrope_section"));
        ObjectNode vision = (ObjectNode) config.path("vision_config");
        vision.remove(List.of("model_type", "rope_parameters", "patch_size", "temporal_patch_size", "window_size"));
        vision.remove(List.of("spatial_merge_size", "hidden_act", "in_channels"));
        vision.put("in_chans", 3).put("spatial_patch_size", 14);
    }
}
