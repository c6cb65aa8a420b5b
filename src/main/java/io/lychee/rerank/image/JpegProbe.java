package io.lychee.rerank.image;

import io.lychee.rerank.config.ImageRules;
import io.lychee.rerank.domain.RejectedException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;

/** Detects this Java's JPEG library by the pixels of one 4:4:0 image, on which libjpeg-turbo and libjpeg 6b differ. */
public final class JpegProbe {

    /** 8 × 16 pixels, red above blue: a 4:2:2 image by Pillow with its sampling factors turned. */
    private static final String IMAGE =
            "/9j/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeXBkeFxl"
                    + "Z2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj"
                    + "Y2P/wAARCAAQAAgDARIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAb/xAAXEAADAQAAAAAAAAAAAAAAAAAAFGOi"
                    + "/8QAFAEBAAAAAAAAAAAAAAAAAAAABf/EABkRAAIDAQAAAAAAAAAAAAAAAABjFaHhFv/aAAwDAQACEQMRAD8AmXp6D09C"
                    + "nOtrRmeXeH//2Q==";

    /** Index of the pixels at the edge of the two colors, and their values in Pillow. */
    private static final int AT = 3 * (7 * 8 + 3);

    private static final byte[] EDGE = {(byte) 149, 0, 35};

    private JpegProbe() {}

    /** Checks that JPEGs of every kind decode to Pillow's pixels here. */
    static boolean isPillows() {
        byte[] file = Base64.getDecoder().decode(IMAGE);
        try {
            return new ImageDecoder(file.length, 8 * 16, Duration.ofMinutes(1), ImageRules.SENSIBLE)
                    .decode(file, (image, deadline) -> Arrays.equals(image.data(), AT, AT + 3, EDGE, 0, 3));
        } catch (RejectedException e) {
            throw new IllegalStateException("this Java can't decode JPEG: " + e.getMessage(), e);
        }
    }

    /** Describes the library in a sentence for {@code doctor}. */
    public static String describe() {
        return isPillows()
                ? "libjpeg-turbo, every JPEG decodes as in Pillow"
                : "libjpeg 6b, bundled with this Java: JPEGs with 4:4:0 chroma and progressive ones without their last"
                        + " scans differ a little from Pillow; Debian's OpenJDK has libjpeg-turbo";
    }
}
