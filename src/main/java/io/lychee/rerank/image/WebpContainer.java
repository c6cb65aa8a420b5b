package io.lychee.rerank.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * Finds a WebP's picture, or the first of its animation, and the canvas it lies on.
 *
 * @param canvas null for a still picture
 * @param alpha whether the picture's alpha counts
 * @param pixels a still WebP file of that picture alone
 */
record WebpContainer(@Nullable Canvas canvas, boolean alpha, Orientation orientation, ByteBuffer pixels) {

    private static final int ANIMATION = 0x02;
    private static final int XMP = 0x04;
    private static final int EXIF = 0x08;
    private static final int ALPHA = 0x10;
    private static final int FRAME_HEADER = 16;

    private record Chunk(int at, int body, int end) {}

    /** @throws IOException when the file is shorter than it says, or has no picture */
    static WebpContainer of(byte[] data) throws IOException {
        ByteBuffer file = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        long end = data.length < 20 ? Long.MAX_VALUE : 8 + Integer.toUnsignedLong(file.getInt(4));
        if (end > data.length) {
            throw new IOException("the file is cut short");
        }
        Chunk extended = find(file, "VP8X", 12, 21);
        int flags = extended == null || extended.end - extended.body < 10 ? 0 : data[extended.body];
        Chunk frame = (flags & ANIMATION) == 0 ? null : find(file, "ANMF", 12, (int) end);
        int from = 12;
        int to = (int) end;
        Canvas canvas = null;
        if (frame != null && extended != null && frame.end - frame.body >= FRAME_HEADER) {
            canvas = new Canvas(
                    1 + u24(file, extended.body + 4),
                    1 + u24(file, extended.body + 7),
                    2 * u24(file, frame.body),
                    2 * u24(file, frame.body + 3),
                    // Pillow leaves animations without alpha black around their first frame
                    (flags & ALPHA) == 0 ? Canvas.BLACK : Canvas.WHITE);
            from = frame.body + FRAME_HEADER;
            to = frame.end;
        }
        ByteBuffer exif = (flags & EXIF) == 0 ? null : body(file, find(file, "EXIF", 12, (int) end));
        ByteBuffer xmp = (flags & XMP) == 0 ? null : body(file, find(file, "XMP ", 12, (int) end));
        ByteBuffer none = ByteBuffer.allocate(0);
        return new WebpContainer(
                canvas,
                canvas == null || (flags & ALPHA) != 0,
                Orientation.of(exif == null ? none : exif, xmp == null ? none : xmp),
                still(file, from, to, (flags & ALPHA) != 0));
    }

    /** One of the two kinds of pictures, the lossy one with its plane of alpha. */
    private static ByteBuffer still(ByteBuffer file, int from, int to, boolean alpha) throws IOException {
        Chunk lossless = find(file, "VP8L", from, to);
        Chunk lossy = find(file, "VP8 ", from, to);
        Chunk picture = lossy == null || (lossless != null && lossless.at < lossy.at) ? lossless : lossy;
        if (picture == null) {
            throw new IOException("no picture");
        }
        boolean sized = picture.equals(lossy) && picture.end - picture.body >= 10;
        Chunk plane = alpha && sized ? find(file, "ALPH", from, picture.at) : null;
        int size = 4 + size(picture) + (plane == null ? 0 : 18 + size(plane));
        ByteBuffer still = ByteBuffer.allocate(8 + size).order(ByteOrder.LITTLE_ENDIAN);
        still.put(ascii("RIFF")).putInt(size).put(ascii("WEBP"));
        if (plane != null) {
            still.put(ascii("VP8X")).putInt(10).putInt(ALPHA);
            // the size stands in the lossy picture's own header
            put24(still, (file.getShort(picture.body + 6) & 0x3fff) - 1);
            put24(still, (file.getShort(picture.body + 8) & 0x3fff) - 1);
            put(still, file, plane);
        }
        put(still, file, picture);
        return still.flip();
    }

    /** @return the first of the chunks between two places, each of which must lie there whole; null for none */
    private static @Nullable Chunk find(ByteBuffer file, String type, int from, int to) throws IOException {
        for (long at = from; at + 8 <= to; ) {
            long end = at + 8 + Integer.toUnsignedLong(file.getInt((int) at + 4));
            if (end > file.limit()) {
                throw new IOException("a chunk is cut short");
            }
            if (file.slice((int) at, 4).equals(ByteBuffer.wrap(ascii(type)))) {
                return new Chunk((int) at, (int) at + 8, (int) end);
            }
            at = end + (end & 1);
        }
        return null;
    }

    private static @Nullable ByteBuffer body(ByteBuffer file, @Nullable Chunk chunk) {
        return chunk == null ? null : file.slice(chunk.body, chunk.end - chunk.body);
    }

    private static int size(Chunk chunk) {
        int size = chunk.end - chunk.at;
        return size + (size & 1);
    }

    private static void put(ByteBuffer still, ByteBuffer file, Chunk chunk) {
        still.put(file.slice(chunk.at, chunk.end - chunk.at));
        if ((chunk.end - chunk.at & 1) != 0) {
            still.put((byte) 0);
        }
    }

    private static byte[] ascii(String type) {
        return type.getBytes(StandardCharsets.US_ASCII);
    }

    private static void put24(ByteBuffer to, int value) {
        to.put((byte) value).put((byte) (value >> 8)).put((byte) (value >> 16));
    }

    private static int u24(ByteBuffer file, int at) {
        return (file.get(at) & 0xff) | (file.get(at + 1) & 0xff) << 8 | (file.get(at + 2) & 0xff) << 16;
    }
}
