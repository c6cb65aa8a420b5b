package io.lychee.rerank.image;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * Finds a GIF's first frame and the canvas it lies on.
 *
 * @param pixels the file without its extensions, but for the one that makes a colour transparent
 */
record GifHeader(Canvas canvas, ByteBuffer pixels) {

    private static final int IMAGE = 0x2c;
    private static final int EXTENSION = 0x21;
    private static final int TRAILER = 0x3b;
    private static final int CONTROL = 0xf9;
    private static final int CONTROL_BYTES = 8;

    /** @throws IOException when there is no frame */
    static GifHeader of(byte[] data) throws IOException {
        if (data.length < 13) {
            throw new IOException("no screen descriptor");
        }
        int palette = 13 + ((data[10] & 0x80) == 0 ? 0 : 3 << ((data[10] & 7) + 1));
        int control = -1;
        // what introduces no known block is passed over, as in Pillow
        for (int at = palette; at + 9 < data.length && data[at] != TRAILER; ) {
            if (data[at] == IMAGE) {
                return of(data, palette, control, at);
            }
            if (data[at] == EXTENSION) {
                if ((data[at + 1] & 0xff) == CONTROL && (data[at + 3] & 1) != 0 && at + CONTROL_BYTES < data.length) {
                    control = at;
                }
                at += 2;
                while (at < data.length && data[at] != 0) {
                    at += 1 + (data[at] & 0xff);
                }
            }
            at++;
        }
        throw new IOException("no frame");
    }

    private static GifHeader of(byte[] data, int palette, int control, int image) {
        int left = u16(data, image + 1);
        int top = u16(data, image + 3);
        Canvas canvas = new Canvas(
                Math.max(u16(data, 6), left + u16(data, image + 5)),
                Math.max(u16(data, 8), top + u16(data, image + 7)),
                left,
                top,
                control < 0 ? firstColour(data, palette, image) : Canvas.WHITE);
        ByteBuffer pixels = ByteBuffer.allocate(data.length + CONTROL_BYTES).put(data, 0, palette);
        if (control >= 0) {
            pixels.put(new byte[] {EXTENSION, (byte) CONTROL, 4, 1, 0, 0, data[control + 6], 0});
        }
        pixels.put(data, image, data.length - image);
        return new GifHeader(canvas, pixels.flip());
    }

    /** Looks up what Pillow fills the canvas with where no colour is transparent. */
    private static int firstColour(byte[] data, int palette, int image) {
        boolean own = (data[image + 9] & 0x80) != 0;
        int at = own ? image + 10 : 13;
        return (own || palette > 13) && at + 2 < data.length
                ? (data[at] & 0xff) << 16 | (data[at + 1] & 0xff) << 8 | (data[at + 2] & 0xff)
                : Canvas.BLACK;
    }

    private static int u16(byte[] data, int at) {
        return (data[at] & 0xff) | (data[at + 1] & 0xff) << 8;
    }
}
