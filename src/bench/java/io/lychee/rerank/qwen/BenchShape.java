package io.lychee.rerank.qwen;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.checkpoint.NetworkConfig;
import io.lychee.rerank.config.ConfigException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.TreeSet;

/** Lists the shapes of published checkpoints, as their {@code config.json} gives them. */
final class BenchShape {

    private static final Map<String, String> PUBLISHED = Map.of(
            "7b", """
                    {"model_type": "qwen2_5_vl", "hidden_size": 3584, "intermediate_size": 18944, "rms_norm_eps": 1e-6,
                     "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064,
                     "vision_config": {"hidden_size": 1280}}""",
            "3b", """
                    {"model_type": "qwen2_5_vl", "hidden_size": 2048, "intermediate_size": 11008, "rms_norm_eps": 1e-6,
                     "num_hidden_layers": 36, "num_attention_heads": 16, "num_key_value_heads": 2, "vocab_size": 151936,
                     "vision_config": {"hidden_size": 1280, "out_hidden_size": 2048}}""",
            "qwen3-2b", """
                    {"model_type": "qwen3_vl", "tie_word_embeddings": true,
                     "text_config": {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28,
                                     "num_attention_heads": 16, "num_key_value_heads": 8},
                     "vision_config": {"hidden_size": 1024, "intermediate_size": 4096, "depth": 24,
                                       "out_hidden_size": 2048, "deepstack_visual_indexes": [5, 11, 17]}}""",
            "qwen3-8b", """
                    {"model_type": "qwen3_vl", "tie_word_embeddings": false,
                     "text_config": {"hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
                                     "num_attention_heads": 32, "num_key_value_heads": 8},
                     "vision_config": {"out_hidden_size": 4096}}""");

    private BenchShape() {}

    /**
     * Returns a published shape with the special tokens of a checkpoint of its family.
     *
     * @param shape of {@link #PUBLISHED}, or tiny for the checkpoint's own
     * @throws ConfigException when there is no such shape, or it is of another family
     */
    static NetworkConfig of(String shape, NetworkConfig checkpoint) {
        if (shape.equals("tiny")) {
            return checkpoint;
        }
        String published = PUBLISHED.get(shape);
        if (published == null) {
            throw new ConfigException(
                    "--shape is %s; expected tiny or one of %s".formatted(shape, new TreeSet<>(PUBLISHED.keySet())));
        }
        NetworkConfig config = parse(published);
        if (config.family() != checkpoint.family()) {
            throw new ConfigException("--shape is %s, of family %s; expected a --checkpoint of that family, not %s"
                    .formatted(
                            shape,
                            config.family().modelType(),
                            checkpoint.family().modelType()));
        }
        return new NetworkConfig(config.family(), config.text(), config.vision(), checkpoint.imageToken(), false);
    }

    private static NetworkConfig parse(String json) {
        try {
            return NetworkConfig.parse(new ObjectMapper().readTree(json));
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }
}
