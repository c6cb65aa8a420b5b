package io.lychee.rerank.qwen;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class QwenConfigTest {

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

    @TempDir
    Path directory;

    @Test
    void seven_b() {
        QwenConfig config = read(SEVEN_B);

        assertThat(config.text())
                .isEqualTo(new QwenConfig.Text(3584, 18944, 28, 28, 4, 152064, 1e-6, 1e6, List.of(16, 24, 24)));
        assertThat(config.text().headDim()).isEqualTo(128);
        assertThat(config.vision())
                .isEqualTo(new QwenConfig.Vision(
                        32, 1280, 3420, 16, 3584, 3, 14, 2, 2, 112, List.of(7, 15, 23, 31), 10_000));
        assertThat(config.imageToken()).isEqualTo(151655);
        assertThat(config.tied()).isFalse();
        assertThat(CheckpointTensors.shapes(config)).hasSize(729);
        assertThat(parameters(config)).isEqualTo(8_292_166_656L);
    }

    @Test
    void three_b() {
        QwenConfig config = read(THREE_B);

        assertThat(config.text())
                .isEqualTo(new QwenConfig.Text(2048, 11008, 36, 16, 2, 151936, 1e-6, 5e5, List.of(16, 24, 24)));
        assertThat(config.vision().outHidden()).isEqualTo(2048);
        assertThat(config.tied()).isTrue();
        // its head is the embedding
        assertThat(CheckpointTensors.shapes(config)).hasSize(824 + 1);
        assertThat(parameters(config) - 151936L * 2048).isEqualTo(3_754_622_976L);
    }

    @Test
    void frequencies_follow_time_then_height_then_width() {
        long[] axes = read(SEVEN_B).text().mropeAxes();

        assertThat(axes).hasSize(64);
        assertThat(Arrays.copyOfRange(axes, 0, 16)).containsOnly(0);
        assertThat(Arrays.copyOfRange(axes, 16, 40)).containsOnly(1);
        assertThat(Arrays.copyOfRange(axes, 40, 64)).containsOnly(2);
    }

    @Test
    void another_network_is_refused() {
        assertRefused(
                SEVEN_B.replace("\"qwen2_5_vl\", \"num", "\"llama\", \"num"),
                "model_type \"llama\"; expected qwen2_5_vl");
        assertRefused(SEVEN_B.replace("\"rope_type\": \"default\"", "\"rope_type\": \"yarn\""), "type \"yarn\"");
        assertRefused(SEVEN_B.replace("\"use_sliding_window\": false", "\"use_sliding_window\": true"), "sliding");
        assertRefused(
                SEVEN_B.replace("[16, 24, 24]", "[16, 24, 32]"), "mrope_section [16, 24, 32]; expected a sum of 64");
        assertRefused(SEVEN_B.replace("\"vocab_size\"", "\"quantization_config\": {}, \"vocab_size\""), "quantization");
        assertRefused(SEVEN_B.replace("152064", "\"many\""), "vocab_size \"many\"");
        assertRefused("[]", "is not a JSON object");
        assertRefused("{", "is not JSON");
    }

    private static long parameters(QwenConfig config) {
        return CheckpointTensors.shapes(config).values().stream()
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

    private QwenConfig read(String text) {
        try {
            Files.writeString(directory.resolve("config.json"), text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return QwenConfig.read(CheckpointFiles.of(directory.toString()));
    }
}
