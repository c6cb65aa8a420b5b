package io.lychee.rerank.image;

import io.lychee.rerank.checkpoint.Family;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;

/**
 * Computes the size an image is resized to: sides are multiples of {@code factor}, the area is between two limits, the
 * aspect ratio is kept as far as they allow. The arithmetic is the reference implementation's, rounding included.
 *
 * @param factor pixels; patch size × merge size
 */
record SmartResize(int factor, long minPixels, long maxPixels) {

    private static final int MAX_ASPECT = 200;

    /** In pixels. */
    record Size(int height, int width) {}

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
        return new SmartResize(checkpoint.cellSize(), min, max);
    }

    /**
     * Checks the shape before decoding, since a reader's rows of an interlaced image cost more than its pixels.
     *
     * @throws RejectedException when one side is more than {@value #MAX_ASPECT} times the other
     */
    static void requireShape(int height, int width) throws RejectedException {
        if ((double) Math.max(height, width) / Math.min(height, width) > MAX_ASPECT) {
            throw new RejectedException(
                    Reason.IMAGE_TOO_LARGE,
                    "the image is %d × %d pixels; expected sides of at most %d to 1, a limit of the network"
                            .formatted(width, height, MAX_ASPECT));
        }
    }

    /** @throws RejectedException as {@link #requireShape} */
    Size size(int height, int width) throws RejectedException {
        requireShape(height, width);
        // rint rounds halves to even, as Python's round
        double h = Math.rint(height / (double) factor) * factor;
        double w = Math.rint(width / (double) factor) * factor;
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
