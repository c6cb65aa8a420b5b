package io.lychee.rerank.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;
import io.lychee.rerank.config.ConfigException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Reads {@code config.json} in every spelling of published checkpoints: language-model keys at the top or in
 * {@code text_config}, {@code rope_scaling} with {@code rope_theta} or {@code rope_parameters}. A missing key has the
 * default of transformers, which leaves such keys out.
 */
public final class ConfigReader {

    static final String FILE = "config.json";

    private final Object where;
    private final JsonNode root;

    /** @param where the file, for errors */
    ConfigReader(Object where, JsonNode root) {
        this.where = where;
        this.root = root;
    }

    static ConfigReader of(CheckpointFiles checkpoint) {
        return new ConfigReader(checkpoint.directory().resolve(FILE), checkpoint.json(FILE));
    }

    /** @throws ConfigException when the file contradicts itself or describes another network */
    NetworkConfig config() {
        Family family = family();
        require(
                !root.has("quantization_config"),
                "quantization_config; expected plain weights (float32, float16 or bfloat16)");
        JsonNode text = root.path("text_config").isObject() ? root.path("text_config") : root;
        JsonNode tied = (root.has("tie_word_embeddings") ? root : text).path("tie_word_embeddings");
        require(root.path("vision_config").isObject(), "no vision_config");
        NetworkConfig config = new NetworkConfig(
                family,
                family.text(this, text),
                family.vision(this, root.path("vision_config")),
                integer(root, "image_token_id", 151655),
                tied.isBoolean() ? (Boolean) tied.booleanValue() : null);
        check(config.text());
        check(config.vision());
        require(
                config.vision().outHidden() == config.text().hidden(),
                "vision out_hidden_size %d, but hidden_size %d",
                config.vision().outHidden(),
                config.text().hidden());
        return config;
    }

    Family family() {
        String type = root.path("model_type").asText("");
        return Families.ALL.stream()
                .filter(family -> family.modelType().equals(type))
                .findFirst()
                .orElseThrow(() -> wrong("model_type \"%s\"; expected %s"
                        .formatted(
                                type,
                                Families.ALL.stream().map(Family::modelType).collect(Collectors.joining(" or ")))));
    }

    private void check(NetworkConfig.Text text) {
        require(
                text.headDim() > 0 && text.headDim() % 2 == 0 && text.heads() % text.kvHeads() == 0,
                "hidden_size %d, %d heads, %d key-value heads, which don't divide",
                text.hidden(),
                text.heads(),
                text.kvHeads());
        require(
                text.mropeAxes().size() == text.headDim() / 2,
                "an mrope_section of %d in all; expected a sum of %d",
                text.mropeAxes().size(),
                text.headDim() / 2);
    }

    private void check(NetworkConfig.Vision vision) {
        require(
                vision.hidden() % (4 * vision.heads()) == 0,
                "vision hidden_size %d with %d heads; expected a head size divisible by 4",
                vision.hidden(),
                vision.heads());
        for (int layer : vision.deepstack()) {
            require(layer < vision.depth(), "deepstack layer %d of %d", layer, vision.depth());
        }
    }

    /** Reads the node of rotary embedding, which is not scaled. */
    JsonNode rope(JsonNode text) {
        JsonNode rope = text.path(text.path("rope_parameters").isObject() ? "rope_parameters" : "rope_scaling");
        String type = rope.path("rope_type").asText(rope.path("type").asText("default"));
        require(
                type.equals("default") || type.equals("mrope"),
                "rotary embedding of type \"%s\"; expected default or mrope",
                type);
        return rope;
    }

    void requireActivation(JsonNode node, String expected) {
        String found = node.path("hidden_act").asText(expected);
        require(found.equals(expected), "hidden_act \"%s\"; expected %s", found, expected);
    }

    void requireThreeChannels(JsonNode vision, String key) {
        int channels = integer(vision, key, 3);
        require(channels == 3, "vision %s %d; expected 3", key, channels);
    }

    int integer(JsonNode node, String key, int fallback) {
        JsonNode value = node.path(key);
        if (value.isMissingNode() || value.isNull()) {
            return fallback;
        }
        require(value.canConvertToInt() && value.asInt() > 0, "%s %s; expected a positive number", key, value);
        return value.asInt();
    }

    static List<Integer> integers(JsonNode node, List<Integer> fallback) {
        List<Integer> values = new ArrayList<>();
        node.forEach(value -> values.add(value.asInt()));
        return node.isArray() ? List.copyOf(values) : fallback;
    }

    @FormatMethod
    void require(boolean condition, @FormatString String message, Object... arguments) {
        if (!condition) {
            throw wrong(String.format(message, arguments));
        }
    }

    private ConfigException wrong(String found) {
        return new ConfigException("%s (model.checkpoint) has %s".formatted(where, found));
    }
}
