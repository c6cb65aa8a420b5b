package io.lychee.rerank.image;

import io.lychee.rerank.checkpoint.Family;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ImageRules;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import java.util.List;

/**
 * Computes the size an image is resized to: sides are multiples of {@code factor}, the area is between two limits, the
 * aspect ratio is kept as far as they allow. The arithmetic is the reference implementation's, rounding included.
 *
 * @param factor pixels; patch size × merge size
 * @param minSide to which a shorter side is lengthened before the area is looked at; 0 where the area alone counts
 */
record SmartResize(int factor, int minSide, long minPixels, long maxPixels) {

    private static final int MAX_ASPECT = 200;

    /** Area in tokens that {@code qwen_vl_utils} allows an image without limits of its own. */
    private static final int UTILS_MIN_TOKENS = 4;

    private static final int UTILS_MAX_TOKENS = 16_384;

    /** In pixels. */
    record Size(int height, int width) {}

    /**
     * Lists the resizes of an image in order. The published pipelines have {@code qwen_vl_utils} make one, with a
     * minimum of each side; after it the processor makes another, unless the family skips that.
     */
    static List<SmartResize> passes(RerankConfig.Limits limits, Family family, ImageProcessorConfig checkpoint) {
        SmartResize processor = of(limits, family, checkpoint);
        if (limits.imageRules() == ImageRules.SENSIBLE) {
            return List.of(processor);
        }
        int cell = checkpoint.cellSize();
        if (family.resizesOnce()) {
            return List.of(new SmartResize(cell, cell, processor.minPixels, processor.maxPixels));
        }
        long area = (long) cell * cell;
        return List.of(new SmartResize(cell, cell, UTILS_MIN_TOKENS * area, UTILS_MAX_TOKENS * area), processor);
    }

    /** Takes the narrower of the configured limits, by default the family's, and the checkpoint's. */
    static SmartResize of(RerankConfig.Limits limits, Family family, ImageProcessorConfig checkpoint) {
        int configuredMin = family.minPixels(limits);
        int configuredMax = family.maxPixels(limits);
        long min = Math.max(configuredMin, checkpoint.minPixels());
        long max = Math.min(configuredMax, checkpoint.maxPixels());
        if (min > max) {
            throw new ConfigException(
                    "images would need %d to %d pixels: image.min-pixels is %d and image.max-pixels %d,"
                                    .formatted(min, max, configuredMin, configuredMax)
                            + " the checkpoint's preprocessor_config.json says %d to %d"
                                    .formatted(checkpoint.minPixels(), checkpoint.maxPixels()));
        }
        return new SmartResize(checkpoint.cellSize(), 0, min, max);
    }

    /**
     * Checks the shape before decoding, since a reader's rows of an interlaced image cost more than its pixels.
     *
     * @param when the image has this shape, for the message
     * @throws RejectedException when one side is more than {@value #MAX_ASPECT} times the other
     */
    static void requireShape(int height, int width, String when) throws RejectedException {
        if ((double) Math.max(height, width) / Math.min(height, width) > MAX_ASPECT) {
            throw new RejectedException(
                    Reason.IMAGE_TOO_LARGE,
                    "the image is %d × %d pixels%s; expected sides of at most %d to 1, a limit of the network"
                            .formatted(width, height, when, MAX_ASPECT));
        }
    }

    Size size(int height, int width) {
        // rint rounds halves to even, as Python's round
        double h = Math.max(minSide, Math.rint(height / (double) factor) * factor);
        double w = Math.max(minSide, Math.rint(width / (double) factor) * factor);
        if (h * w > maxPixels) {
            double beta = Math.sqrt((double) height * width / maxPixels);
            h = Math.max(factor, Math.floor(height / beta / factor) * factor);
            w = Math.max(factor, Math.floor(width / beta / factor) * factor);
        } else if (h * w < minPixels) {
            double beta = Math.sqrt(minPixels / ((double) height * width));
            h = Math.ceil(height * beta / factor) * factor;
            w = Math.ceil(width * beta / factor) * factor;
        }
        return new Size((int) h, (int) w);
    }
}
