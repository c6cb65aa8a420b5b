package io.lychee.rerank.image;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import javax.imageio.ImageReader;
import org.jspecify.annotations.Nullable;

/** Finds a WebP's image, or its animation's first frame and canvas, and makes a still WebP file of that alone. */
final class WebpHeader {

    private static final int ANIMATION = 0x02;
    private static final int XMP = 0x04;
    private static final int EXIF = 0x08;
    private static final int ALPHA = 0x10;
    private static final int FILE_HEADER = 12;
    private static final int FRAME_HEADER = 16;

    private WebpHeader() {}

    /** A chunk from its type at {@code at} over its content at {@code body} to {@code end}. */
    private record Chunk(int at, int body, int end) {

        int padded() {
            return end - at + (end - at & 1);
        }
    }

    /** @throws IOException when the file is shorter than it says, or has no image */
    static ImageHeader of(byte[] data) throws IOException {
        ByteBuffer file = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        long length = data.length < 20 ? Long.MAX_VALUE : 8 + Integer.toUnsignedLong(file.getInt(4));
        if (length > data.length) {
            throw new IOException("the file is cut short");
        }
        int end = (int) length;
        Chunk extended = find(file, "VP8X", FILE_HEADER, 21);
        int flags = extended == null || extended.end - extended.body < 10 ? 0 : data[extended.body];
        boolean alpha = (flags & ALPHA) != 0;
        Chunk frame = (flags & ANIMATION) == 0 ? null : find(file, "ANMF", FILE_HEADER, end);
        Canvas canvas = null;
        ByteBuffer still;
        if (extended != null && frame != null && frame.end - frame.body >= FRAME_HEADER) {
            canvas = new Canvas(
                    1 + u24(file, extended.body + 4),
                    1 + u24(file, extended.body + 7),
                    2 * u24(file, frame.body),
                    2 * u24(file, frame.body + 3),
                    // Pillow leaves animations without alpha black around their first frame
                    alpha ? Canvas.WHITE : Canvas.BLACK);
            still = still(file, frame.body + FRAME_HEADER, frame.end, alpha);
        } else {
            still = still(file, FILE_HEADER, end, alpha);
        }
        ByteBuffer exif = (flags & EXIF) == 0 ? Bytes.NONE : content(file, "EXIF", end);
        ByteBuffer xmp = (flags & XMP) == 0 ? Bytes.NONE : content(file, "XMP ", end);
        boolean composited = canvas == null || alpha;
        return new ImageHeader(
                still,
                canvas,
                Orientation.of(exif, xmp),
                (reader, deadline) -> RgbConverter.packed(read(reader), composited, deadline));
    }

    private static BufferedImage read(ImageReader reader) throws IOException {
        try {
            return reader.read(0);
        } catch (OutOfMemoryError e) {
            if (e.getMessage() != null) {
                throw e; // the JVM's own
            }
            // the library's translation of libwebp's status "out of memory", which damaged files cause
            throw new IOException("libwebp gave up on it");
        }
    }

    /** Copies the lossless or the lossy image, the latter with its plane of alpha. */
    private static ByteBuffer still(ByteBuffer file, int from, int to, boolean alpha) throws IOException {
        Chunk lossless = find(file, "VP8L", from, to);
        Chunk lossy = find(file, "VP8 ", from, to);
        Chunk image = lossy == null || (lossless != null && lossless.at < lossy.at) ? lossless : lossy;
        if (image == null) {
            throw new IOException("no picture");
        }
        boolean sized = image.equals(lossy) && image.end - image.body >= 10;
        Chunk plane = alpha && sized ? find(file, "ALPH", from, image.at) : null;
        int size = FILE_HEADER + image.padded() + (plane == null ? 0 : 18 + plane.padded());
        ByteBuffer still = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        still.put(Bytes.of("RIFF")).putInt(size - 8).put(Bytes.of("WEBP"));
        if (plane != null) {
            still.put(Bytes.of("VP8X")).putInt(10).putInt(ALPHA);
            // the size is in the lossy image's own header
            put24(still, (file.getShort(image.body + 6) & 0x3fff) - 1);
            put24(still, (file.getShort(image.body + 8) & 0x3fff) - 1);
            still.put(file.slice(plane.at, plane.end - plane.at)).position(size - image.padded());
        }
        return still.put(file.slice(image.at, image.end - image.at)).rewind();
    }

    /** @return the first such chunk between two offsets, null for none; throws when a chunk passes the file's end */
    private static @Nullable Chunk find(ByteBuffer file, String type, int from, int to) throws IOException {
        for (long at = from; at + 8 <= to; ) {
            long end = at + 8 + Integer.toUnsignedLong(file.getInt((int) at + 4));
            if (end > file.limit()) {
                throw new IOException("a chunk is cut short");
            }
            if (Bytes.starts(file, (int) at, type)) {
                return new Chunk((int) at, (int) at + 8, (int) end);
            }
            at = end + (end & 1);
        }
        return null;
    }

    private static ByteBuffer content(ByteBuffer file, String type, int end) throws IOException {
        Chunk chunk = find(file, type, FILE_HEADER, end);
        return chunk == null ? Bytes.NONE : file.slice(chunk.body, chunk.end - chunk.body);
    }

    private static void put24(ByteBuffer to, int value) {
        to.putShort((short) value).put((byte) (value >> 16));
    }

    private static int u24(ByteBuffer file, int at) {
        return Short.toUnsignedInt(file.getShort(at)) | (file.get(at + 2) & 0xff) << 16;
    }
}
