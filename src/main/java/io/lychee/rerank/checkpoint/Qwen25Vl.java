package io.lychee.rerank.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Describes Qwen2.5-VL, the family of Lychee-rerank-mm. */
final class Qwen25Vl implements Family {

    @Override
    public String modelType() {
        return "qwen2_5_vl";
    }

    @Override
    public String instruction() {
        return "Given a web search query, retrieve relevant passages that answer the query.";
    }

    @Override
    public int minPixels() {
        return 56 * 56;
    }

    @Override
    public int maxPixels() {
        return 1280 * 28 * 28;
    }

    @Override
    public int trainedPairTokens() {
        return 3200;
    }

    @Override
    public ImageProcessorConfig preprocessor(CheckpointFiles checkpoint) {
        return ImageProcessorConfig.read(checkpoint);
    }

    @Override
    public boolean resizesOnce() {
        return false;
    }

    @Override
    public NetworkConfig.Text text(ConfigReader reader, JsonNode node) {
        JsonNode rope = reader.rope(node);
        reader.requireActivation(node, "silu");
        reader.require(!node.path("use_sliding_window").asBoolean(false), "use_sliding_window, which is not supported");
        int hidden = reader.integer(node, "hidden_size", 8192);
        int heads = reader.integer(node, "num_attention_heads", 64);
        boolean noKvHeads = node.path("num_key_value_heads").isNull();
        reader.require(hidden % heads == 0, "hidden_size %d with %d heads, which don't divide", hidden, heads);
        return new NetworkConfig.Text(
                hidden,
                reader.integer(node, "intermediate_size", 29568),
                reader.integer(node, "num_hidden_layers", 80),
                heads,
                reader.integer(node, "num_key_value_heads", noKvHeads ? heads : 8),
                hidden / heads,
                reader.integer(node, "vocab_size", 152064),
                node.path("rms_norm_eps").asDouble(1e-5),
                rope.path("rope_theta").asDouble(node.path("rope_theta").asDouble(1_000_000)),
                mropeAxes(ConfigReader.integers(rope.path("mrope_section"), List.of(16, 24, 24))),
                true,
                false);
    }

    /** Orders axes by sections: the first frequencies turn with time, the next with height, the last with width. */
    static List<Integer> mropeAxes(List<Integer> sections) {
        List<Integer> axes = new ArrayList<>();
        for (int i = 0; i < sections.size(); i++) {
            axes.addAll(Collections.nCopies(sections.get(i), i % 3));
        }
        return List.copyOf(axes);
    }

    @Override
    public NetworkConfig.Vision vision(ConfigReader reader, JsonNode node) {
        reader.requireActivation(node, "silu");
        reader.requireThreeChannels(node, node.has("in_channels") ? "in_channels" : "in_chans");
        int patch = reader.integer(node, node.has("patch_size") ? "patch_size" : "spatial_patch_size", 14);
        int merge = reader.integer(node, "spatial_merge_size", 2);
        int window = reader.integer(node, "window_size", 112);
        reader.require(
                window >= patch * merge,
                "vision window_size %d, smaller than a token's %d pixels",
                window,
                patch * merge);
        return new NetworkConfig.Vision(
                reader.integer(node, "depth", 32),
                reader.integer(node, "hidden_size", 3584),
                reader.integer(node, "intermediate_size", 3420),
                reader.integer(node, "num_heads", 16),
                reader.integer(node, "out_hidden_size", 3584),
                patch,
                reader.integer(node, "temporal_patch_size", 2),
                merge,
                node.path("rope_parameters").path("rope_theta").asDouble(10_000),
                window / (patch * merge),
                ConfigReader.integers(node.path("fullatt_block_indexes"), List.of(7, 15, 23, 31)),
                0,
                List.of());
    }

    @Override
    public void addVision(TensorShapes shapes, NetworkConfig.Vision v) {
        shapes.add("visual.patch_embed.proj.weight", v.hidden(), 3, v.temporalPatch(), v.patch(), v.patch());
        for (int i = 0; i < v.depth(); i++) {
            String block = "visual.blocks." + i + ".";
            shapes.add(block + "norm1.weight", v.hidden());
            shapes.add(block + "norm2.weight", v.hidden());
            shapes.linear(block + "attn.qkv", 3 * v.hidden(), v.hidden());
            shapes.linear(block + "attn.proj", v.hidden(), v.hidden());
            shapes.linear(block + "mlp.gate_proj", v.intermediate(), v.hidden());
            shapes.linear(block + "mlp.up_proj", v.intermediate(), v.hidden());
            shapes.linear(block + "mlp.down_proj", v.hidden(), v.intermediate());
        }
        int cell = v.hidden() * v.merge() * v.merge();
        shapes.add("visual.merger.ln_q.weight", v.hidden());
        shapes.linear("visual.merger.mlp.0", cell, cell);
        shapes.linear("visual.merger.mlp.2", v.outHidden(), cell);
    }
}
