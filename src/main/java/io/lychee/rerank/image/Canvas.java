package io.lychee.rerank.image;

import java.io.IOException;

/**
 * Places an animation's first frame where its file says; pixels.
 *
 * @param background colour of what the frame leaves open, 0xRRGGBB
 */
record Canvas(int width, int height, int left, int top, int background) {

    static final int WHITE = 0xffffff;
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
        for (int i = 0; i < 3; i++) {
            rgb[i] = (byte) (background >> (16 - 8 * i));
        }
        for (int filled = 3; filled < rgb.length; filled *= 2) {
            System.arraycopy(rgb, 0, rgb, filled, Math.min(filled, rgb.length - filled));
        }
        int row = 3 * frame.width();
        for (int y = 0; y < frame.height(); y++) {
            deadline.check();
            System.arraycopy(frame.data(), y * row, rgb, 3 * ((top + y) * width + left), row);
        }
        return new RgbImage(width, height, rgb);
    }
}
