package io.lychee.rerank.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Describes Qwen3-VL, dense: the family of Qwen3-VL-Reranker. */
final class Qwen3Vl implements Family {

    @Override
    public String modelType() {
        return "qwen3_vl";
    }

    @Override
    public String instruction() {
        return "Given a search query, retrieve relevant candidates that answer the query.";
    }

    @Override
    public int minPixels() {
        return 4 * 32 * 32;
    }

    @Override
    public int maxPixels() {
        return 1800 * 32 * 32;
    }

    @Override
    public int trainedPairTokens() {
        return 10_240;
    }

    /** Lowers the minimum: the reranker's own code passes {@link #minPixels}, below that of the published file. */
    @Override
    public ImageProcessorConfig preprocessor(CheckpointFiles checkpoint) {
        ImageProcessorConfig read = ImageProcessorConfig.read(checkpoint);
        return new ImageProcessorConfig(
                Math.min(minPixels(), read.minPixels()),
                read.maxPixels(),
                read.patchSize(),
                read.mergeSize(),
                read.mean(),
                read.std());
    }

    @Override
    public boolean resizesOnce() {
        return true;
    }

    @Override
    public NetworkConfig.Text text(ConfigReader reader, JsonNode node) {
        JsonNode rope = reader.rope(node);
        reader.requireActivation(node, "silu");
        reader.require(!node.path("attention_bias").asBoolean(false), "attention_bias, which is not supported");
        int headDim = reader.integer(node, "head_dim", 128);
        return new NetworkConfig.Text(
                reader.integer(node, "hidden_size", 4096),
                reader.integer(node, "intermediate_size", 22016),
                reader.integer(node, "num_hidden_layers", 32),
                reader.integer(node, "num_attention_heads", 32),
                reader.integer(node, "num_key_value_heads", 32),
                headDim,
                reader.integer(node, "vocab_size", 151936),
                node.path("rms_norm_eps").asDouble(1e-6),
                rope.path("rope_theta").asDouble(node.path("rope_theta").asDouble(5_000_000)),
                mropeAxes(ConfigReader.integers(rope.path("mrope_section"), List.of(24, 20, 20)), headDim / 2),
                false,
                true);
    }

    /** Interleaves axes: every third frequency turns with height, the next with width, as far as their sections go. */
    static List<Integer> mropeAxes(List<Integer> sections, int frequencies) {
        List<Integer> axes = new ArrayList<>(Collections.nCopies(frequencies, 0));
        for (int axis = 1; axis < sections.size(); axis++) {
            for (int i = axis; i < Math.min(3 * sections.get(axis), frequencies); i += 3) {
                axes.set(i, axis);
            }
        }
        return List.copyOf(axes);
    }

    @Override
    public NetworkConfig.Vision vision(ConfigReader reader, JsonNode node) {
        reader.requireActivation(node, "gelu_pytorch_tanh");
        reader.requireThreeChannels(node, "in_channels");
        int positions = reader.integer(node, "num_position_embeddings", 2304);
        int side = (int) Math.sqrt(positions);
        reader.require(side * side == positions, "num_position_embeddings %d; expected a square", positions);
        return new NetworkConfig.Vision(
                reader.integer(node, "depth", 27),
                reader.integer(node, "hidden_size", 1152),
                reader.integer(node, "intermediate_size", 4304),
                reader.integer(node, "num_heads", 16),
                reader.integer(node, "out_hidden_size", 3584),
                reader.integer(node, "patch_size", 16),
                reader.integer(node, "temporal_patch_size", 2),
                reader.integer(node, "spatial_merge_size", 2),
                node.path("rope_parameters").path("rope_theta").asDouble(10_000),
                NetworkConfig.Vision.NO_WINDOWS,
                List.of(),
                side,
                ConfigReader.integers(node.path("deepstack_visual_indexes"), List.of(8, 16, 24)));
    }

    @Override
    public void addVision(TensorShapes shapes, NetworkConfig.Vision v) {
        int cell = v.hidden() * v.merge() * v.merge();
        shapes.add("visual.patch_embed.proj.weight", v.hidden(), 3, v.temporalPatch(), v.patch(), v.patch());
        shapes.add("visual.patch_embed.proj.bias", v.hidden());
        shapes.add("visual.pos_embed.weight", v.positionSide() * v.positionSide(), v.hidden());
        for (int i = 0; i < v.depth(); i++) {
            String block = "visual.blocks." + i + ".";
            shapes.norm(block + "norm1", v.hidden());
            shapes.norm(block + "norm2", v.hidden());
            shapes.linear(block + "attn.qkv", 3 * v.hidden(), v.hidden());
            shapes.linear(block + "attn.proj", v.hidden(), v.hidden());
            shapes.linear(block + "mlp.linear_fc1", v.intermediate(), v.hidden());
            shapes.linear(block + "mlp.linear_fc2", v.hidden(), v.intermediate());
        }
        addMerger(shapes, "visual.merger.", v.hidden(), cell, v.outHidden());
        for (int i = 0; i < v.deepstack().size(); i++) {
            addMerger(shapes, "visual.deepstack_merger_list." + i + ".", cell, cell, v.outHidden());
        }
    }

    private static void addMerger(TensorShapes shapes, String name, int normed, int cell, int out) {
        shapes.norm(name + "norm", normed);
        shapes.linear(name + "linear_fc1", cell, cell);
        shapes.linear(name + "linear_fc2", out, cell);
    }
}
