package io.lychee.rerank.encoding;

import java.io.IOException;

/**
 * Where the first frame of a GIF lies on its canvas; pixels.
 *
 * @param width of the canvas
 * @param height of the canvas
 */
record GifCanvas(int width, int height, int left, int top) {

    /** @throws IOException when there is no frame */
    static GifCanvas of(byte[] data) throws IOException {
        if (data.length < 13) {
            throw new IOException("no screen descriptor");
        }
        int at = 13 + colors(data[10]);
        while (at + 9 < data.length) {
            switch (data[at]) {
                case 0x2c -> {
                    return new GifCanvas(
                            Math.max(u16(data, 6), u16(data, at + 1) + u16(data, at + 5)),
                            Math.max(u16(data, 8), u16(data, at + 3) + u16(data, at + 7)),
                            u16(data, at + 1),
                            u16(data, at + 3));
                }
                case 0x21 -> {
                    at += 2;
                    while (at < data.length && data[at] != 0) {
                        at += 1 + (data[at] & 0xff);
                    }
                    at++;
                }
                default -> throw new IOException("no frame");
            }
        }
        throw new IOException("no frame");
    }

    /** The whole canvas; what the frame leaves open is transparent, so white. */
    RgbImage place(RgbImage frame) {
        if (frame.width() == width && frame.height() == height) {
            return frame;
        }
        RgbImage canvas = Rasters.white(width, height);
        int row = 3 * frame.width();
        for (int y = 0; y < frame.height(); y++) {
            System.arraycopy(frame.data(), y * row, canvas.data(), 3 * ((top + y) * width + left), row);
        }
        return canvas;
    }

    private static int colors(byte flags) {
        return (flags & 0x80) == 0 ? 0 : 3 << ((flags & 7) + 1);
    }

    private static int u16(byte[] data, int at) {
        return (data[at] & 0xff) | (data[at + 1] & 0xff) << 8;
    }
}
