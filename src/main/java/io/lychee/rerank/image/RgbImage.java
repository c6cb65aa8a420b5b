package io.lychee.rerank.image;

import java.io.IOException;

/** Holds decoded pixels: 8 bits, row by row, red green blue. The array is shared, not copied. */
@SuppressWarnings("ArrayRecordComponent") // never compared
record RgbImage(int width, int height, byte[] data) {

    RgbImage {
        if (data.length != 3L * width * height) {
            throw new IllegalArgumentException(
                    "%d bytes for %d × %d pixels of 3".formatted(data.length, width, height));
        }
    }

    /** Bounds a sample to 8 bits. */
    static int clip(int value) {
        return Math.max(0, Math.min(255, value));
    }

    /** Writes row {@code y} from {@code rgb[at]} on. */
    interface RowWriter {
        void write(int y, byte[] rgb, int at);
    }

    /** @throws IOException past the deadline, which is checked before each row */
    static RgbImage ofRows(int width, int height, Deadline deadline, RowWriter writer) throws IOException {
        byte[] rgb = new byte[3 * width * height];
        for (int y = 0; y < height; y++) {
            deadline.check();
            writer.write(y, rgb, 3 * width * y);
        }
        return new RgbImage(width, height, rgb);
    }
}
