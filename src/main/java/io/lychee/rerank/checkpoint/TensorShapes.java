package io.lychee.rerank.checkpoint;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Collects the shapes of a network's tensors, by published name, in the order of the network. */
public final class TensorShapes {

    public static final String HEAD = "lm_head.weight";
    public static final String EMBEDDING = "model.embed_tokens.weight";

    private final Map<String, List<Long>> byName = new LinkedHashMap<>();

    private TensorShapes() {}

    /** Lists every tensor of a network with its shape, the head included. */
    public static Map<String, List<Long>> of(NetworkConfig config) {
        TensorShapes shapes = new TensorShapes();
        config.family().addVision(shapes, config.vision());
        shapes.addText(config.text());
        return shapes.byName;
    }

    private void addText(NetworkConfig.Text text) {
        add(EMBEDDING, text.vocabulary(), text.hidden());
        for (int i = 0; i < text.layers(); i++) {
            addLayer("model.layers." + i + ".", text);
        }
        add("model.norm.weight", text.hidden());
        add(HEAD, text.vocabulary(), text.hidden());
    }

    private void addLayer(String layer, NetworkConfig.Text text) {
        int attended = text.heads() * text.headDim();
        add(layer + "input_layernorm.weight", text.hidden());
        for (String part : List.of("q", "k", "v")) {
            int out = part.equals("q") ? attended : text.kvHeads() * text.headDim();
            String name = layer + "self_attn." + part + "_proj";
            if (text.biases()) {
                linear(name, out, text.hidden());
            } else {
                add(name + ".weight", out, text.hidden());
            }
        }
        if (text.headNorms()) {
            add(layer + "self_attn.q_norm.weight", text.headDim());
            add(layer + "self_attn.k_norm.weight", text.headDim());
        }
        add(layer + "self_attn.o_proj.weight", text.hidden(), attended);
        add(layer + "post_attention_layernorm.weight", text.hidden());
        add(layer + "mlp.gate_proj.weight", text.intermediate(), text.hidden());
        add(layer + "mlp.up_proj.weight", text.intermediate(), text.hidden());
        add(layer + "mlp.down_proj.weight", text.hidden(), text.intermediate());
    }

    void add(String name, int... shape) {
        byName.put(name, IntStream.of(shape).asLongStream().boxed().toList());
    }

    /** Adds a matrix and its bias. */
    void linear(String name, int out, int in) {
        add(name + ".weight", out, in);
        add(name + ".bias", out);
    }

    /** Adds a layer norm with its bias. */
    void norm(String name, int width) {
        add(name + ".weight", width);
        add(name + ".bias", width);
    }
}
