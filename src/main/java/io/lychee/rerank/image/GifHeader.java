package io.lychee.rerank.image;

import io.lychee.rerank.config.ImageRules;
import java.io.IOException;
import java.nio.ByteBuffer;

/** Finds a GIF's first frame, its canvas, and the one extension that counts: that with a transparent color. */
final class GifHeader {

    private static final int IMAGE = 0x2c;
    private static final int EXTENSION = 0x21;
    private static final int TRAILER = 0x3b;
    private static final byte CONTROL = (byte) 0xf9;
    private static final int CONTROL_BYTES = 8;
    private static final int SCREEN_BYTES = 13;

    private GifHeader() {}

    /** @throws IOException when there is no frame */
    static ImageHeader of(byte[] data, ImageRules rules) throws IOException {
        if (data.length < SCREEN_BYTES) {
            throw new IOException("no screen descriptor");
        }
        int blocks = SCREEN_BYTES + ((data[10] & 0x80) == 0 ? 0 : 3 << ((data[10] & 7) + 1));
        int control = -1;
        // bytes that start no known block are skipped, as in Pillow
        for (int at = blocks; at + 9 < data.length && data[at] != TRAILER; at++) {
            if (data[at] == IMAGE) {
                return of(data, blocks, control, at, rules);
            }
            if (data[at] == EXTENSION) {
                if (data[at + 1] == CONTROL && (data[at + 3] & 1) != 0 && at + CONTROL_BYTES < data.length) {
                    control = at;
                }
                at += 2;
                while (at < data.length && data[at] != 0) {
                    at += 1 + (data[at] & 0xff);
                }
            }
        }
        throw new IOException("no frame");
    }

    private static ImageHeader of(byte[] data, int blocks, int control, int image, ImageRules rules) {
        int left = u16(data, image + 1);
        int top = u16(data, image + 3);
        int clear = control < 0 ? 0 : data[control + 6] & 0xff;
        boolean transparent = control >= 0 && rules == ImageRules.SENSIBLE;
        Canvas canvas = new Canvas(
                Math.max(u16(data, 6), left + u16(data, image + 5)),
                Math.max(u16(data, 8), top + u16(data, image + 7)),
                left,
                top,
                transparent ? Canvas.WHITE : color(data, blocks, image, clear));
        ByteBuffer pixels = ByteBuffer.allocate(data.length + CONTROL_BYTES).put(data, 0, blocks);
        if (transparent) {
            pixels.put(new byte[] {EXTENSION, CONTROL, 4, 1, 0, 0, (byte) clear, 0});
        }
        pixels.put(data, image, data.length - image);
        return new ImageHeader(pixels.flip(), canvas, Orientation.UPRIGHT);
    }

    /** Reads the color that Pillow puts around the frame: the first, or the transparent one. */
    private static int color(byte[] data, int blocks, int image, int index) {
        boolean own = (data[image + 9] & 0x80) != 0;
        int colors = own ? 3 << ((data[image + 9] & 7) + 1) : blocks - SCREEN_BYTES;
        int at = (own ? image + 10 : SCREEN_BYTES) + 3 * index;
        return 3 * index < colors && at + 2 < data.length
                ? (data[at] & 0xff) << 16 | (data[at + 1] & 0xff) << 8 | (data[at + 2] & 0xff)
                : Canvas.BLACK;
    }

    private static int u16(byte[] data, int at) {
        return (data[at] & 0xff) | (data[at + 1] & 0xff) << 8;
    }
}
