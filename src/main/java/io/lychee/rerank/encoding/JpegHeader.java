package io.lychee.rerank.encoding;

import java.io.IOException;
import java.util.Arrays;

/**
 * What a JPEG says about its colours, read as libjpeg does.
 *
 * @param luma whether the first three components are Y, Cb, Cr
 * @param exif where the EXIF block starts (its TIFF header), −1 for none
 */
record JpegHeader(int components, boolean luma, int exif) {

    /** @throws IOException when there is no frame header */
    static JpegHeader of(byte[] data) throws IOException {
        boolean jfif = false;
        int adobe = -1;
        int exif = -1;
        int at = 2;
        while (at + 4 <= data.length) {
            if ((data[at] & 0xff) != 0xff) {
                at++;
                continue;
            }
            int marker = data[at + 1] & 0xff;
            if (marker == 0xff || marker == 0 || marker == 1 || (marker >= 0xd0 && marker <= 0xd8)) {
                at += marker == 0xff ? 1 : 2;
                continue;
            }
            int length = ((data[at + 2] & 0xff) << 8) | (data[at + 3] & 0xff);
            int body = at + 4;
            if (marker == 0xe0 && length >= 16 && ImageFormat.starts(data, body, "JFIF\0")) {
                jfif = true;
            } else if (marker == 0xee && length >= 14 && ImageFormat.starts(data, body, "Adobe")) {
                adobe = body + 11 < data.length ? data[body + 11] & 0xff : -1;
            } else if (marker == 0xe1 && exif < 0 && ImageFormat.starts(data, body, "Exif\0")) {
                exif = body + 6;
            } else if (isFrame(marker)) {
                return frame(data, body, jfif, adobe, exif);
            }
            at += 2 + Math.max(2, length);
        }
        throw new IOException("no frame header");
    }

    private static boolean isFrame(int marker) {
        return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    }

    private static JpegHeader frame(byte[] data, int body, boolean jfif, int adobe, int exif) throws IOException {
        if (body + 6 > data.length) {
            throw new IOException("the frame header is cut short");
        }
        int components = data[body + 5] & 0xff;
        int[] ids = new int[components];
        for (int i = 0; i < components && body + 6 + 3 * i < data.length; i++) {
            ids[i] = data[body + 6 + 3 * i] & 0xff;
        }
        boolean luma = switch (components) {
            case 3 -> jfif || (adobe >= 0 ? adobe != 0 : !Arrays.equals(ids, new int[] {'R', 'G', 'B'}));
            case 4 -> adobe > 0;
            default -> false;
        };
        return new JpegHeader(components, luma, exif);
    }
}
