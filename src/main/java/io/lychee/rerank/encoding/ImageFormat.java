package io.lychee.rerank.encoding;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;

/** What a picture is, by its first bytes: names and content types lie. */
enum ImageFormat {
    JPEG,
    PNG,
    WEBP,
    GIF,
    BMP;

    static Optional<ImageFormat> of(byte[] data) {
        if (starts(data, 0, "\u00ff\u00d8\u00ff")) {
            return Optional.of(JPEG);
        }
        if (starts(data, 0, "\u0089PNG\r\n\u001a\n")) {
            return Optional.of(PNG);
        }
        if (starts(data, 0, "RIFF") && starts(data, 8, "WEBP")) {
            return Optional.of(WEBP);
        }
        if (starts(data, 0, "GIF87a") || starts(data, 0, "GIF89a")) {
            return Optional.of(GIF);
        }
        return starts(data, 0, "BM") ? Optional.of(BMP) : Optional.empty();
    }

    /** The first bytes, for a message. */
    static String describe(byte[] data) {
        return data.length == 0
                ? "are none"
                : "start with " + HexFormat.ofDelimiter(" ").formatHex(data, 0, Math.min(8, data.length));
    }

    /** @param ascii characters up to 255, one a byte */
    static boolean starts(byte[] data, int at, String ascii) {
        byte[] expected = ascii.getBytes(StandardCharsets.ISO_8859_1);
        return data.length >= at + expected.length
                && Arrays.equals(data, at, at + expected.length, expected, 0, expected.length);
    }
}
