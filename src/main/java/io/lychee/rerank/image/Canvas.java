package io.lychee.rerank.image;

import java.io.IOException;

/**
 * Places an animation's first frame on its canvas. All sizes are pixels.
 *
 * @param background 0xRRGGBB, around the frame
 */
record Canvas(int width, int height, int left, int top, int background) {

    static final int WHITE = 0xffffff;
    static final int BLACK = 0;

    /** @throws IOException when the frame passes the canvas */
    RgbImage place(RgbImage frame, Deadline deadline) throws IOException {
        if (frame.width() == width && frame.height() == height) {
            return frame;
        }
        if (left + frame.width() > width || top + frame.height() > height) {
            throw new IOException("its frame of %d × %d pixels at (%d, %d) passes its canvas of %d × %d"
                    .formatted(frame.width(), frame.height(), left, top, width, height));
        }
        byte[] line = new byte[3 * width];
        for (int i = 0; i < line.length; i++) {
            line[i] = (byte) (background >> (16 - 8 * (i % 3)));
        }
        int row = 3 * frame.width();
        return RgbImage.ofRows(width, height, deadline, (y, rgb, at) -> {
            System.arraycopy(line, 0, rgb, at, line.length);
            if (y >= top && y < top + frame.height()) {
                System.arraycopy(frame.data(), (y - top) * row, rgb, at + 3 * left, row);
            }
        });
    }
}
