package io.lychee.rerank.image;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * Reads a JPEG's segments up to its first scan: colours as libjpeg takes them, orientation as Pillow does.
 *
 * @param luma whether the first three components are Y, Cb, Cr
 * @param pixels the file without application segments and comments, which the JDK would parse and choke on
 */
record JpegHeader(int components, boolean luma, Orientation orientation, ByteBuffer pixels) {

    private static final String EXIF = "Exif\0\0";
    private static final String XMP = "http://ns.adobe.com/xap/1.0/\0";

    /** @throws IOException when there is no frame header before the first scan */
    static JpegHeader of(byte[] data) throws IOException {
        Segments segments = new Segments(data);
        segments.read();
        if (segments.frame < 0) {
            throw new IOException("no frame header");
        }
        return new JpegHeader(
                data[segments.frame + 5] & 0xff,
                segments.luma(),
                Orientation.of(ByteBuffer.wrap(segments.exif.toByteArray()), segments.xmp),
                segments.pixels.flip());
    }

    /** Collects what counts of each segment; a later one wins, but EXIF goes on where the last one ended. */
    private static final class Segments {

        private final byte[] data;
        private final ByteBuffer pixels;
        private final ByteArrayOutputStream exif = new ByteArrayOutputStream();
        private ByteBuffer xmp = ByteBuffer.allocate(0);
        private boolean jfif;
        private int adobe = -1;
        private int frame = -1;

        Segments(byte[] data) {
            this.data = data;
            this.pixels = ByteBuffer.allocate(data.length);
        }

        void read() throws IOException {
            int kept = 0;
            int at = 2;
            int marker = 0;
            while (at + 4 <= data.length && marker != 0xda) {
                marker = data[at + 1] & 0xff;
                if ((data[at] & 0xff) != 0xff || marker == 0xff) {
                    at++;
                } else if (marker == 0 || marker == 1 || (marker >= 0xd0 && marker <= 0xd8)) {
                    at += 2;
                } else {
                    int length = Math.max(2, ((data[at + 2] & 0xff) << 8) | (data[at + 3] & 0xff));
                    int end = Math.min(data.length, at + 2 + length);
                    segment(marker, at + 4, length, end);
                    if ((marker >= 0xe0 && marker <= 0xef) || marker == 0xfe) {
                        pixels.put(data, kept, at - kept);
                        kept = end;
                    }
                    at = end;
                }
            }
            pixels.put(data, kept, data.length - kept);
        }

        private void segment(int marker, int body, int length, int end) throws IOException {
            if (marker == 0xe0 && length >= 16 && ImageFormat.starts(data, body, "JFIF\0")) {
                jfif = true;
            } else if (marker == 0xee && length >= 14 && ImageFormat.starts(data, body, "Adobe")) {
                adobe = body + 11 < data.length ? data[body + 11] & 0xff : -1;
            } else if (marker == 0xe1 && ImageFormat.starts(data, body, EXIF)) {
                int from = body + EXIF.length();
                exif.write(data, from, Math.max(0, end - from));
            } else if (marker == 0xe1 && ImageFormat.starts(data, body, XMP)) {
                int from = body + XMP.length();
                xmp = ByteBuffer.wrap(data, from, Math.max(0, end - from)).slice();
            } else if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
                if (body + 6 > data.length) {
                    throw new IOException("the frame header is cut short");
                }
                frame = body;
            }
        }

        boolean luma() {
            int components = data[frame + 5] & 0xff;
            if (components == 4) {
                return adobe > 0;
            }
            byte[] ids = new byte[3];
            for (int i = 0; i < ids.length && frame + 6 + 3 * i < data.length; i++) {
                ids[i] = data[frame + 6 + 3 * i];
            }
            return components == 3
                    && (jfif || (adobe >= 0 ? adobe != 0 : !Arrays.equals(ids, new byte[] {'R', 'G', 'B'})));
        }
    }
}
