package io.lychee.rerank.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.lychee.rerank.config.RerankConfig;

/**
 * Describes a family of networks: what Qwen2.5-VL and Qwen3-VL don't share. {@code torchscript/<modelType>} has its
 * vision tower. Immutable.
 */
public interface Family {

    /** Returns {@code model_type} of {@code config.json}, also the folder of its TorchScript text. */
    String modelType();

    /** Returns the instruction of lists that have none ({@code prompt.instruction}). */
    String instruction();

    /** Returns the area to which smaller images are enlarged ({@code image.min-pixels}). */
    int minPixels();

    /** Returns the area to which larger images are reduced ({@code image.max-pixels}). */
    int maxPixels();

    /** Returns the tokens of the longest pair in training ({@code pair.trained-tokens}). */
    int trainedPairTokens();

    /** Returns whether its published pipeline has the processor resize no image ({@code image.rules}). */
    boolean resizesOnce();

    /** Reads {@code preprocessor_config.json}. */
    ImageProcessorConfig preprocessor(CheckpointFiles checkpoint);

    NetworkConfig.Text text(ConfigReader reader, JsonNode node);

    NetworkConfig.Vision vision(ConfigReader reader, JsonNode node);

    /** Adds the vision tower's tensors, under {@code visual.}, to those of the language model. */
    void addVision(TensorShapes shapes, NetworkConfig.Vision vision);

    /** Returns the configured instruction, or the family's for none. */
    default String instruction(RerankConfig.Prompt prompt) {
        return prompt.instruction().isEmpty() ? instruction() : prompt.instruction();
    }

    /** Returns the configured minimum, or the family's for 0. */
    default int minPixels(RerankConfig.Limits limits) {
        return limits.minPixels() == 0 ? minPixels() : limits.minPixels();
    }

    /** Returns the configured maximum, or the family's for 0. */
    default int maxPixels(RerankConfig.Limits limits) {
        return limits.maxPixels() == 0 ? maxPixels() : limits.maxPixels();
    }

    /** Returns the configured length, or the family's for 0. */
    default int trainedPairTokens(RerankConfig.Limits limits) {
        return limits.trainedPairTokens() == 0 ? trainedPairTokens() : limits.trainedPairTokens();
    }
}
