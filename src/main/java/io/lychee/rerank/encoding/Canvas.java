package io.lychee.rerank.encoding;

import java.io.IOException;
import java.util.Arrays;

/**
 * Places an animation's first frame where its file says; pixels.
 *
 * @param background grey level of what the frame leaves open
 */
record Canvas(int width, int height, int left, int top, int background) {

    static final int WHITE = 255;
    static final int BLACK = 0;

    /** @throws IOException when the frame doesn't lie on the canvas */
    RgbImage place(RgbImage frame, Deadline deadline) throws IOException {
        if (frame.width() == width && frame.height() == height) {
            return frame;
        }
        if (left + frame.width() > width || top + frame.height() > height) {
            throw new IOException("its frame of %d × %d pixels at (%d, %d) passes its canvas of %d × %d"
                    .formatted(frame.width(), frame.height(), left, top, width, height));
        }
        byte[] rgb = new byte[3 * width * height];
        Arrays.fill(rgb, (byte) background);
        int row = 3 * frame.width();
        for (int y = 0; y < frame.height(); y++) {
            deadline.check();
            System.arraycopy(frame.data(), y * row, rgb, 3 * ((top + y) * width + left), row);
        }
        return new RgbImage(width, height, rgb);
    }
}
