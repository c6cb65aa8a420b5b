package io.lychee.rerank.image;

import io.lychee.rerank.config.ImageRules;
import java.io.IOException;
import java.nio.ByteBuffer;
import javax.imageio.ImageReader;
import org.jspecify.annotations.Nullable;

/**
 * Describes an image file before it is decoded.
 *
 * @param pixels a file of the same format with nothing but what shapes the pixels, backed by an array
 * @param canvas where an animation's first frame is placed; null for a still image
 * @param orientation EXIF's number, 1 (upright) to 8; any other counts as upright
 * @param decoder reads the image from an ImageIO reader of {@code pixels}
 */
record ImageHeader(ByteBuffer pixels, @Nullable Canvas canvas, int orientation, Decoder decoder) {

    /** Decodes the reader's first image, checking the deadline row by row. */
    interface Decoder {
        RgbImage decode(ImageReader reader, Deadline deadline) throws IOException;
    }

    ImageHeader(ByteBuffer pixels, @Nullable Canvas canvas, int orientation) {
        this(
                pixels,
                canvas,
                orientation,
                (reader, deadline) -> RgbConverter.toRgb(reader.read(0), ImageRules.SENSIBLE, deadline));
    }
}
