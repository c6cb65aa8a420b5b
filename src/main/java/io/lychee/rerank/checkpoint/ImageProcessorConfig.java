package io.lychee.rerank.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.lychee.rerank.config.ConfigException;
import java.util.ArrayList;
import java.util.List;

/**
 * Holds {@code preprocessor_config.json}, with the published defaults for absent keys.
 *
 * @param minPixels area to which smaller images are enlarged
 * @param maxPixels area to which larger images are reduced
 * @param patchSize side of a patch in pixels
 * @param mergeSize side of a token in patches
 * @param mean of red, green and blue, each from 0 to 1
 * @param std of red, green and blue
 */
public record ImageProcessorConfig(
        int minPixels, int maxPixels, int patchSize, int mergeSize, List<Double> mean, List<Double> std) {

    private static final String FILE = "preprocessor_config.json";
    private static final List<Double> CLIP_MEAN = List.of(0.48145466, 0.4578275, 0.40821073);
    private static final List<Double> CLIP_STD = List.of(0.26862954, 0.26130258, 0.27577711);
    private static final int MIN_PIXELS = 56 * 56;
    private static final int MAX_PIXELS = 28 * 28 * 1280;

    public ImageProcessorConfig {
        mean = List.copyOf(mean);
        std = List.copyOf(std);
    }

    /** Returns the side of a token in pixels; both sides of a resized image are multiples of it. */
    public int cellSize() {
        return patchSize * mergeSize;
    }

    /**
     * Reads {@code min_pixels} and {@code max_pixels}, or {@code size.shortest_edge} and {@code size.longest_edge}
     * (pixel counts too, despite their names).
     *
     * @throws ConfigException when the file is missing or a value is unusable
     */
    public static ImageProcessorConfig read(CheckpointFiles checkpoint) {
        JsonNode node = checkpoint.json(FILE);
        JsonNode size = node.path("size");
        int minPixels = pixels(checkpoint, node.path("min_pixels"), size.path("shortest_edge"), MIN_PIXELS);
        int maxPixels = pixels(checkpoint, node.path("max_pixels"), size.path("longest_edge"), MAX_PIXELS);
        if (minPixels < 1 || maxPixels < minPixels) {
            throw wrong(checkpoint, "pixel limits %d to %d".formatted(minPixels, maxPixels));
        }
        if (Math.abs(node.path("rescale_factor").asDouble(1 / 255.0) * 255 - 1) > 1e-9) {
            throw wrong(checkpoint, "rescale_factor " + node.path("rescale_factor") + ", not 1/255");
        }
        ImageProcessorConfig read = new ImageProcessorConfig(
                minPixels,
                maxPixels,
                node.path("patch_size").asInt(14),
                node.path("merge_size").asInt(2),
                threeNumbers(checkpoint, node.path("image_mean"), CLIP_MEAN),
                threeNumbers(checkpoint, node.path("image_std"), CLIP_STD));
        if (read.patchSize < 1 || read.mergeSize < 1) {
            throw wrong(checkpoint, "patch_size %d, merge_size %d".formatted(read.patchSize, read.mergeSize));
        }
        return read;
    }

    private static int pixels(CheckpointFiles checkpoint, JsonNode plain, JsonNode nested, int fallback) {
        JsonNode node = plain.isMissingNode() || plain.isNull() ? nested : plain;
        if (node.isMissingNode() || node.isNull()) {
            return fallback;
        }
        if (!node.canConvertToInt()) {
            throw wrong(checkpoint, "a pixel limit of " + node);
        }
        return node.asInt();
    }

    private static List<Double> threeNumbers(CheckpointFiles checkpoint, JsonNode node, List<Double> fallback) {
        if (node.isMissingNode() || node.isNull()) {
            return fallback;
        }
        List<Double> values = new ArrayList<>();
        node.forEach(value -> values.add(value.asDouble(Double.NaN)));
        if (values.size() != 3 || values.stream().anyMatch(value -> value.isNaN())) {
            throw wrong(checkpoint, "image_mean or image_std " + node + ", not three numbers");
        }
        return values;
    }

    private static ConfigException wrong(CheckpointFiles checkpoint, String found) {
        return new ConfigException(
                "%s (model.checkpoint) has %s".formatted(checkpoint.directory().resolve(FILE), found));
    }
}
