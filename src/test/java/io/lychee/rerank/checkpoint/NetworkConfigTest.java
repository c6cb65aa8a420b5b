package io.lychee.rerank.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NetworkConfigTest {

    /** A file of transformers 4.50: flat, with few vision keys. */
    private static final String SEVEN_B = """
            {"architectures": ["Qwen2_5_VLForConditionalGeneration"], "hidden_act": "silu", "hidden_size": 3584,
             "image_token_id": 151655, "intermediate_size": 18944, "max_position_embeddings": 128000,
             "max_window_layers": 28, "model_type": "qwen2_5_vl", "num_attention_heads": 28, "num_hidden_layers": 28,
             "num_key_value_heads": 4, "rms_norm_eps": 1e-06,
             "rope_scaling": {"mrope_section": [16, 24, 24], "rope_type": "default", "type": "default"},
             "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": false, "use_sliding_window": false,
             "vision_config": {"hidden_size": 1280, "in_chans": 3, "model_type": "qwen2_5_vl", "spatial_patch_size": 14,
                               "tokens_per_second": 2}, "vocab_size": 152064}
            """;

    /** A file of transformers 5: nested, with rope_parameters. */
    private static final String THREE_B = """
            {"model_type": "qwen2_5_vl", "tie_word_embeddings": true, "image_token_id": 151655,
             "text_config": {"hidden_size": 2048, "intermediate_size": 11008, "num_attention_heads": 16,
                             "num_hidden_layers": 36, "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "vocab_size": 151936,
                             "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default", "mrope_section": [16, 24, 24]}},
             "vision_config": {"depth": 32, "hidden_size": 1280, "in_channels": 3, "num_heads": 16,
                               "out_hidden_size": 2048, "patch_size": 14, "fullatt_block_indexes": [7, 15, 23, 31]}}
            """;

    private static final String QWEN3_2B = """
            {"model_type": "qwen3_vl", "tie_word_embeddings": true, "image_token_id": 151655,
             "text_config": {"attention_bias": false, "head_dim": 128, "hidden_act": "silu", "hidden_size": 2048,
                             "intermediate_size": 6144, "model_type": "qwen3_vl_text", "num_attention_heads": 16,
                             "num_hidden_layers": 28, "num_key_value_heads": 8, "rms_norm_eps": 1e-06,
                             "rope_scaling": {"mrope_interleaved": true, "mrope_section": [24, 20, 20],
                                              "rope_type": "default"},
                             "rope_theta": 5000000, "tie_word_embeddings": true, "vocab_size": 151936},
             "vision_config": {"deepstack_visual_indexes": [5, 11, 17], "depth": 24, "hidden_act": "gelu_pytorch_tanh",
                               "hidden_size": 1024, "in_channels": 3, "intermediate_size": 4096, "num_heads": 16,
                               "num_position_embeddings": 2304, "out_hidden_size": 2048, "patch_size": 16,
                               "spatial_merge_size": 2, "temporal_patch_size": 2}}
            """;

    private static final String QWEN3_8B = """
            {"model_type": "qwen3_vl", "tie_word_embeddings": false, "image_token_id": 151655,
             "text_config": {"hidden_size": 4096, "intermediate_size": 12288, "num_attention_heads": 32,
                             "num_hidden_layers": 36, "num_key_value_heads": 8, "vocab_size": 151936,
                             "rope_parameters": {"rope_theta": 5000000.0, "rope_type": "default",
                                                 "mrope_interleaved": true, "mrope_section": [24, 20, 20]}},
             "vision_config": {"out_hidden_size": 4096}}
            """;

    @TempDir
    Path directory;

    @Test
    void seven_b() {
        NetworkConfig config = read(SEVEN_B);

        assertThat(config.text())
                .isEqualTo(new NetworkConfig.Text(
                        3584,
                        18944,
                        28,
                        28,
                        4,
                        128,
                        152064,
                        1e-6,
                        1e6,
                        Qwen25Vl.mropeAxes(List.of(16, 24, 24)),
                        true,
                        false));
        assertThat(config.vision())
                .isEqualTo(new NetworkConfig.Vision(
                        32, 1280, 3420, 16, 3584, 14, 2, 2, 10_000, 4, List.of(7, 15, 23, 31), 0, List.of()));
        assertThat(config.imageToken()).isEqualTo(151655);
        assertThat(config.tied()).isFalse();
        assertThat(TensorShapes.of(config)).hasSize(729);
        assertThat(parameters(config)).isEqualTo(8_292_166_656L);
    }

    @Test
    void three_b() {
        NetworkConfig config = read(THREE_B);

        assertThat(config.text().layers()).isEqualTo(36);
        assertThat(config.text().theta()).isEqualTo(5e5);
        assertThat(config.vision().outHidden()).isEqualTo(2048);
        assertThat(config.tied()).isTrue();
        // its head is the embedding
        assertThat(TensorShapes.of(config)).hasSize(824 + 1);
        assertThat(parameters(config) - 151936L * 2048).isEqualTo(3_754_622_976L);
    }

    /** Qwen3-VL-Reranker-2B and 8B, as transformers 4 and 5 write them. */
    @Test
    void qwen3_vl() {
        NetworkConfig two = read(QWEN3_2B);
        assertThat(two.family().modelType()).isEqualTo("qwen3_vl");
        assertThat(two.tied()).isTrue();
        assertThat(two.text().headDim()).isEqualTo(128);
        assertThat(two.vision().cell()).isEqualTo(32);
        assertThat(two.vision().cellWidth()).isEqualTo(4 * 2048);
        assertThat(parameters(two) - 151936L * 2048).isEqualTo(2_127_532_032L);

        NetworkConfig eight = read(QWEN3_8B);
        assertThat(eight.tied()).isFalse();
        assertThat(eight.vision().deepstack()).containsExactly(8, 16, 24);
        assertThat(parameters(eight)).isEqualTo(8_767_123_696L);
    }

    @Test
    void frequencies_follow_time_then_height_then_width() {
        List<Integer> axes = read(SEVEN_B).text().mropeAxes();

        assertThat(axes).hasSize(64);
        assertThat(axes.subList(0, 16)).containsOnly(0);
        assertThat(axes.subList(16, 40)).containsOnly(1);
        assertThat(axes.subList(40, 64)).containsOnly(2);
    }

    @Test
    void frequencies_of_qwen3_take_turns() {
        List<Integer> axes = read(QWEN3_2B).text().mropeAxes();

        assertThat(axes).hasSize(64);
        assertThat(axes.subList(0, 7)).containsExactly(0, 1, 2, 0, 1, 2, 0);
        assertThat(axes.subList(57, 64)).containsExactly(0, 1, 2, 0, 0, 0, 0);
    }

    @Test
    void another_network_is_refused() {
        assertRefused(
                SEVEN_B.replace("\"qwen2_5_vl\", \"num", "\"llama\", \"num"),
                "model_type \"llama\"; expected qwen2_5_vl or qwen3_vl");
        assertRefused(SEVEN_B.replace("\"rope_type\": \"default\"", "\"rope_type\": \"yarn\""), "type \"yarn\"");
        assertRefused(SEVEN_B.replace("\"use_sliding_window\": false", "\"use_sliding_window\": true"), "sliding");
        assertRefused(
                SEVEN_B.replace("[16, 24, 24]", "[16, 24, 32]"), "an mrope_section of 72 in all; expected a sum of 64");
        assertRefused(SEVEN_B.replace("\"vocab_size\"", "\"quantization_config\": {}, \"vocab_size\""), "quantization");
        assertRefused(SEVEN_B.replace("152064", "\"many\""), "vocab_size \"many\"");
        assertRefused(
                QWEN3_2B.replace("\"attention_bias\": false", "\"attention_bias\": true"),
                "attention_bias, which is not");
        assertRefused(QWEN3_2B.replace("2304", "2305"), "num_position_embeddings 2305; expected a square");
        assertRefused(QWEN3_2B.replace("[5, 11, 17]", "[5, 11, 24]"), "deepstack layer 24 of 24");
        assertRefused(QWEN3_2B.replace("gelu_pytorch_tanh", "gelu"), "hidden_act \"gelu\"; expected gelu_pytorch_tanh");
        assertRefused("[]", "is not a JSON object");
        assertRefused("{", "is not JSON");
    }

    private static long parameters(NetworkConfig config) {
        return TensorShapes.of(config).values().stream()
                .mapToLong(shape -> shape.stream().reduce(1L, Math::multiplyExact))
                .sum();
    }

    private void assertRefused(String text, String message) {
        assertThatThrownBy(() -> read(text))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining(directory.resolve("config.json").toString())
                .hasMessageContaining("model.checkpoint")
                .hasMessageContaining(message);
    }

    private NetworkConfig read(String text) {
        try {
            Files.writeString(directory.resolve("config.json"), text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return NetworkConfig.read(CheckpointFiles.of(directory.toString()));
    }
}
