package io.lychee.rerank.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Holds the sizes of a network, as its family reads them from {@code config.json}.
 *
 * @param tied whether the head is the token embedding; null without the key, then the checkpoint's tensors decide
 */
public record NetworkConfig(
        Family family,
        Text text,
        Vision vision,
        int imageToken,
        @Nullable Boolean tied) {

    /**
     * @param headDim numbers of a head; heads · headDim may differ from hidden
     * @param mropeAxes position axis of each rotary frequency of a head: (headDim / 2), 0 time, 1 height, 2 width
     * @param biases whether queries, keys and values have biases
     * @param headNorms whether the heads of queries and keys are normalised
     */
    public record Text(
            int hidden,
            int intermediate,
            int layers,
            int heads,
            int kvHeads,
            int headDim,
            int vocabulary,
            double eps,
            double theta,
            List<Integer> mropeAxes,
            boolean biases,
            boolean headNorms) {}

    /**
     * @param patch side of a patch in pixels
     * @param merge side of a cell (image token) in patches
     * @param windowCells side of an attention window in cells; {@link #NO_WINDOWS} where all layers see whole images
     * @param fullAttention layers that see whole images despite windows
     * @param positionSide side of the grid of learned positions; 0 for none
     * @param deepstack layers whose output is added to the hidden states of image tokens, behind as many layers of text
     */
    public record Vision(
            int depth,
            int hidden,
            int intermediate,
            int heads,
            int outHidden,
            int patch,
            int temporalPatch,
            int merge,
            double theta,
            int windowCells,
            List<Integer> fullAttention,
            int positionSide,
            List<Integer> deepstack) {

        public static final int NO_WINDOWS = 1 << 20;

        /** Returns the side of a cell in pixels. */
        public int cell() {
            return patch * merge;
        }

        /** Returns the numbers of a cell's output: the embedding, and one vector for each deepstack layer. */
        public int cellWidth() {
            return (1 + deepstack.size()) * outHidden;
        }
    }

    /** Reads {@code config.json}. @throws io.lychee.rerank.config.ConfigException when it is missing or unusable */
    public static NetworkConfig read(CheckpointFiles checkpoint) {
        return ConfigReader.of(checkpoint).config();
    }

    /** Reads the text of a {@code config.json}. */
    public static NetworkConfig parse(JsonNode config) {
        return new ConfigReader("config.json", config).config();
    }
}
