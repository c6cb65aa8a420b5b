package io.lychee.rerank.qwen;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Holds {@code config.json} of a Qwen2.5-VL checkpoint. Reads every spelling of published checkpoints: language-model
 * keys at the top or in {@code text_config}, {@code rope_scaling} with {@code rope_theta} or {@code rope_parameters}. A
 * missing key has the default of transformers, which leaves such keys out.
 *
 * @param tied whether the head is the token embedding; null without the key, then the checkpoint's tensors decide
 */
record QwenConfig(
        Text text, Vision vision, int imageToken, @Nullable Boolean tied) {

    private static final String FILE = "config.json";

    /** @param mropeSection number of a head's rotary frequencies for time, height and width */
    record Text(
            int hidden,
            int intermediate,
            int layers,
            int heads,
            int kvHeads,
            int vocabulary,
            double eps,
            double theta,
            List<Integer> mropeSection) {

        int headDim() {
            return hidden / heads;
        }

        /** Returns the axis of each rotary frequency: (headDim / 2), 0 time, 1 height, 2 width. */
        long[] mropeAxes() {
            long[] axes = new long[headDim() / 2];
            int at = 0;
            for (int section = 0; section < mropeSection.size(); section++) {
                for (int i = 0; i < mropeSection.get(section); i++) {
                    axes[at++] = section % 3;
                }
            }
            return axes;
        }
    }

    /**
     * @param patch side of a patch in pixels
     * @param merge side of a cell (image token) in patches
     * @param window side of an attention window in pixels
     */
    record Vision(
            int depth,
            int hidden,
            int intermediate,
            int heads,
            int outHidden,
            int channels,
            int patch,
            int temporalPatch,
            int merge,
            int window,
            List<Integer> fullAttention,
            double theta) {

        /** Returns the side of an attention window in cells. */
        int windowCells() {
            return window / cell();
        }

        /** Returns the side of a cell in pixels. */
        int cell() {
            return patch * merge;
        }
    }

    /** @throws ConfigException when the file is missing, contradicts itself or describes another network */
    static QwenConfig read(CheckpointFiles checkpoint) {
        return new Reader(checkpoint, checkpoint.json(FILE)).config();
    }

    private record Reader(CheckpointFiles checkpoint, JsonNode root) {

        QwenConfig config() {
            String type = root.path("model_type").asText("");
            require(type.equals("qwen2_5_vl"), "model_type \"%s\"; expected qwen2_5_vl", type);
            require(
                    !root.has("quantization_config"),
                    "quantization_config; expected plain weights (float32, float16 or bfloat16)");
            JsonNode text = root.path("text_config").isObject() ? root.path("text_config") : root;
            JsonNode tied = (root.has("tie_word_embeddings") ? root : text).path("tie_word_embeddings");
            QwenConfig config = new QwenConfig(
                    text(text),
                    vision(root.path("vision_config")),
                    integer(root, "image_token_id", 151655),
                    tied.isBoolean() ? (Boolean) tied.booleanValue() : null);
            require(
                    config.vision.outHidden == config.text.hidden,
                    "vision out_hidden_size %d, but hidden_size %d",
                    config.vision.outHidden,
                    config.text.hidden);
            return config;
        }

        private Text text(JsonNode node) {
            JsonNode rope = node.path(node.path("rope_parameters").isObject() ? "rope_parameters" : "rope_scaling");
            String ropeType = rope.path("rope_type").asText(rope.path("type").asText("default"));
            require(
                    ropeType.equals("default") || ropeType.equals("mrope"),
                    "rotary embedding of type \"%s\"; expected default or mrope",
                    ropeType);
            require(!node.path("use_sliding_window").asBoolean(false), "use_sliding_window, which is not supported");
            requireSilu(node);
            int heads = integer(node, "num_attention_heads", 64);
            boolean noKvHeads = node.path("num_key_value_heads").isNull();
            Text text = new Text(
                    integer(node, "hidden_size", 8192),
                    integer(node, "intermediate_size", 29568),
                    integer(node, "num_hidden_layers", 80),
                    heads,
                    integer(node, "num_key_value_heads", noKvHeads ? heads : 8),
                    integer(node, "vocab_size", 152064),
                    node.path("rms_norm_eps").asDouble(1e-5),
                    rope.path("rope_theta").asDouble(node.path("rope_theta").asDouble(1_000_000)),
                    integers(rope.path("mrope_section"), List.of(16, 24, 24)));
            require(
                    text.hidden % heads == 0 && text.headDim() % 2 == 0 && heads % text.kvHeads == 0,
                    "hidden_size %d, %d heads, %d key-value heads, which don't divide",
                    text.hidden,
                    heads,
                    text.kvHeads);
            int frequencies = text.headDim() / 2;
            require(
                    text.mropeSection.stream().mapToInt(i -> i).sum() == frequencies,
                    "mrope_section %s; expected a sum of %d",
                    text.mropeSection,
                    frequencies);
            return text;
        }

        private Vision vision(JsonNode node) {
            require(node.isObject(), "no vision_config");
            requireSilu(node);
            Vision vision = new Vision(
                    integer(node, "depth", 32),
                    integer(node, "hidden_size", 3584),
                    integer(node, "intermediate_size", 3420),
                    integer(node, "num_heads", 16),
                    integer(node, "out_hidden_size", 3584),
                    integer(node, node.has("in_channels") ? "in_channels" : "in_chans", 3),
                    integer(node, node.has("patch_size") ? "patch_size" : "spatial_patch_size", 14),
                    integer(node, "temporal_patch_size", 2),
                    integer(node, "spatial_merge_size", 2),
                    integer(node, "window_size", 112),
                    integers(node.path("fullatt_block_indexes"), List.of(7, 15, 23, 31)),
                    node.path("rope_parameters").path("rope_theta").asDouble(10_000));
            require(vision.channels == 3, "vision in_channels %d; expected 3", vision.channels);
            require(
                    vision.hidden % (4 * vision.heads) == 0,
                    "vision hidden_size %d with %d heads; expected a head size divisible by 4",
                    vision.hidden,
                    vision.heads);
            require(
                    vision.windowCells() > 0,
                    "vision window_size %d, smaller than a token's %d pixels",
                    vision.window,
                    vision.cell());
            return vision;
        }

        private void requireSilu(JsonNode node) {
            String activation = node.path("hidden_act").asText("silu");
            require(activation.equals("silu"), "hidden_act \"%s\"; expected silu", activation);
        }

        private int integer(JsonNode node, String key, int fallback) {
            JsonNode value = node.path(key);
            if (value.isMissingNode() || value.isNull()) {
                return fallback;
            }
            require(value.canConvertToInt() && value.asInt() > 0, "%s %s; expected a positive number", key, value);
            return value.asInt();
        }

        private static List<Integer> integers(JsonNode node, List<Integer> fallback) {
            List<Integer> values = new ArrayList<>();
            node.forEach(value -> values.add(value.asInt()));
            return node.isArray() ? List.copyOf(values) : fallback;
        }

        @FormatMethod
        private void require(boolean condition, @FormatString String message, Object... arguments) {
            if (!condition) {
                throw new ConfigException("%s (model.checkpoint) has %s"
                        .formatted(checkpoint.directory().resolve(FILE), String.format(message, arguments)));
            }
        }
    }
}
