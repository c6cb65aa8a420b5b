package io.lychee.rerank.qwen;

import io.lychee.rerank.checkpoint.Safetensors;
import io.lychee.rerank.config.ConfigException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Matches a checkpoint's tensors with those of the network: none missing, none extra, every shape as configured.
 *
 * @param byName by published name, in the order of the network
 * @param tied whether the head is the token embedding
 */
record CheckpointTensors(Map<String, Safetensors.Tensor> byName, boolean tied) {

    static final String HEAD = "lm_head.weight";
    static final String EMBEDDING = "model.embed_tokens.weight";

    /** @throws ConfigException naming the first tensor that is missing, misshapen, unknown or duplicate */
    static CheckpointTensors match(QwenConfig config, Safetensors checkpoint) {
        Map<String, Safetensors.Tensor> found = new LinkedHashMap<>();
        for (Safetensors.Tensor tensor : checkpoint.tensors().values()) {
            Safetensors.Tensor twin = found.put(canonical(tensor.name()), tensor);
            if (twin != null) {
                throw new ConfigException("model.checkpoint: tensors %s in %s and %s in %s are the same one"
                        .formatted(twin.name(), twin.file(), tensor.name(), tensor.file()));
            }
        }
        boolean tied = config.tied() == null ? !found.containsKey(HEAD) : config.tied();
        Map<String, Safetensors.Tensor> byName = new LinkedHashMap<>();
        shapes(config).forEach((name, shape) -> {
            Safetensors.Tensor tensor = found.remove(name);
            // some checkpoints save a tied head too; it equals the embedding and stays unread
            if (!name.equals(HEAD) || !tied) {
                byName.put(name, checked(name, shape, tensor, checkpoint));
            }
        });
        if (!found.isEmpty()) {
            Safetensors.Tensor extra = found.values().iterator().next();
            throw new ConfigException(
                    "%s (model.checkpoint) has tensor %s %s, which this configuration has no place for%s"
                            .formatted(
                                    extra.file(),
                                    extra.name(),
                                    extra.shape(),
                                    found.size() == 1 ? "" : "; " + (found.size() - 1) + " more like it"));
        }
        return new CheckpointTensors(byName, tied);
    }

    /** Returns the output matrix: (vocabulary, hidden). */
    Safetensors.Tensor head() {
        return Objects.requireNonNull(byName.get(tied ? EMBEDDING : HEAD));
    }

    private static Safetensors.Tensor checked(
            String name, List<Long> shape, Safetensors.@Nullable Tensor tensor, Safetensors checkpoint) {
        if (tensor == null) {
            throw new ConfigException(
                    "model.checkpoint lacks tensor %s %s; looked in %s".formatted(name, shape, checkpoint.files()));
        }
        if (!tensor.shape().equals(shape)) {
            throw new ConfigException("%s (model.checkpoint) has tensor %s of shape %s; config.json asks for %s"
                    .formatted(tensor.file(), tensor.name(), tensor.shape(), shape));
        }
        if (tensor.type() == Safetensors.Type.I32 || tensor.type() == Safetensors.Type.I64) {
            throw new ConfigException("%s (model.checkpoint) has tensor %s of type %s; expected F32, F16 or BF16"
                    .formatted(tensor.file(), tensor.name(), tensor.type()));
        }
        return tensor;
    }

    /** Converts a name of newer transformers releases to the older one, which published checkpoints use. */
    private static String canonical(String name) {
        return name.replaceFirst("^model\\.visual\\.", "visual.").replaceFirst("^model\\.language_model\\.", "model.");
    }

    /** Lists every tensor of the network with its shape, the head included. */
    static Map<String, List<Long>> shapes(QwenConfig config) {
        Shapes shapes = new Shapes(new LinkedHashMap<>());
        QwenConfig.Vision v = config.vision();
        shapes.add("visual.patch_embed.proj.weight", v.hidden(), v.channels(), v.temporalPatch(), v.patch(), v.patch());
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
        QwenConfig.Text t = config.text();
        int kv = t.kvHeads() * t.headDim();
        shapes.add(EMBEDDING, t.vocabulary(), t.hidden());
        for (int i = 0; i < t.layers(); i++) {
            String layer = "model.layers." + i + ".";
            shapes.add(layer + "input_layernorm.weight", t.hidden());
            shapes.linear(layer + "self_attn.q_proj", t.hidden(), t.hidden());
            shapes.linear(layer + "self_attn.k_proj", kv, t.hidden());
            shapes.linear(layer + "self_attn.v_proj", kv, t.hidden());
            shapes.add(layer + "self_attn.o_proj.weight", t.hidden(), t.hidden());
            shapes.add(layer + "post_attention_layernorm.weight", t.hidden());
            shapes.add(layer + "mlp.gate_proj.weight", t.intermediate(), t.hidden());
            shapes.add(layer + "mlp.up_proj.weight", t.intermediate(), t.hidden());
            shapes.add(layer + "mlp.down_proj.weight", t.hidden(), t.intermediate());
        }
        shapes.add("model.norm.weight", t.hidden());
        shapes.add(HEAD, t.vocabulary(), t.hidden());
        return shapes.byName;
    }

    private record Shapes(Map<String, List<Long>> byName) {

        void add(String name, int... shape) {
            byName.put(name, IntStream.of(shape).asLongStream().boxed().toList());
        }

        void linear(String name, int out, int in) {
            add(name + ".weight", out, in);
            add(name + ".bias", out);
        }
    }
}
