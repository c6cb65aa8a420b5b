package io.lychee.rerank.encoding;

import java.io.IOException;

/**
 * The chunks of a WebP file.
 *
 * @param width of the canvas; 1 where only the picture itself says it
 * @param height of the canvas; 1 where only the picture itself says it
 * @param exif where the EXIF block starts, −1 for none
 * @param exifEnd where it ends
 */
record WebpContainer(int width, int height, int exif, int exifEnd) {

    /** @throws IOException when the file is shorter than it says */
    static WebpContainer of(byte[] data) throws IOException {
        long end = data.length < 20 ? Long.MAX_VALUE : 8 + u32(data, 4);
        if (end > data.length) {
            throw new IOException("the file is cut short");
        }
        boolean extended = ImageFormat.starts(data, 12, "VP8X") && data.length >= 30;
        int exif = -1;
        int exifEnd = -1;
        for (long at = 12; at + 8 <= end; ) {
            long length = u32(data, (int) at + 4);
            if (at + 8 + length > data.length) {
                throw new IOException("a chunk is cut short");
            }
            if (exif < 0 && ImageFormat.starts(data, (int) at, "EXIF")) {
                exif = (int) at + 8;
                exifEnd = exif + (int) length;
            }
            at += 8 + length + (length & 1);
        }
        return extended
                ? new WebpContainer(1 + u24(data, 24), 1 + u24(data, 27), exif, exifEnd)
                : new WebpContainer(1, 1, exif, exifEnd);
    }

    private static long u32(byte[] data, int at) {
        return u24(data, at) | ((data[at + 3] & 0xffL) << 24);
    }

    private static int u24(byte[] data, int at) {
        return (data[at] & 0xff) | (data[at + 1] & 0xff) << 8 | (data[at + 2] & 0xff) << 16;
    }
}
