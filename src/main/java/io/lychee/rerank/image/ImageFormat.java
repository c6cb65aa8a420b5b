package io.lychee.rerank.image;

import java.nio.ByteBuffer;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** Tells a picture's format by its first bytes: names and content types lie. */
enum ImageFormat {
    JPEG,
    PNG,
    WEBP,
    GIF,
    BMP;

    /** Reads at most this much of what is no picture to say what it is. */
    private static final int SNIFFED = 4096;

    private record Magic(String name, int at, String bytes) {}

    private static final List<Magic> OTHERS = List.of(
            new Magic("AVIF", 4, "ftypavif"),
            new Magic("AVIF", 4, "ftypavis"),
            new Magic("HEIC", 4, "ftyphei"),
            new Magic("HEIC", 4, "ftyphev"),
            new Magic("HEIC", 4, "ftypmif1"),
            new Magic("HEIC", 4, "ftypmsf1"),
            new Magic("JPEG XL", 0, "\u00ff\n"),
            new Magic("JPEG XL", 4, "JXL \r\n"),
            new Magic("JPEG 2000", 4, "jP  \r\n"),
            new Magic("JPEG 2000", 0, "\u00ffO\u00ffQ"),
            new Magic("TIFF", 0, "II*\0"),
            new Magic("TIFF", 0, "MM\0*"),
            new Magic("TIFF", 0, "II+\0"),
            new Magic("TIFF", 0, "MM\0+"),
            new Magic("ICO", 0, "\0\0\1\0"),
            new Magic("CUR", 0, "\0\0\2\0"),
            new Magic("PSD", 0, "8BPS"),
            new Magic("PDF", 0, "%PDF"),
            new Magic("PostScript", 0, "%!PS"),
            new Magic("video (MP4 or QuickTime)", 4, "ftyp"),
            new Magic("video (WebM or Matroska)", 0, "\u001aE\u00df\u00a3"),
            new Magic("video (AVI)", 8, "AVI "),
            new Magic("audio (WAV)", 8, "WAVE"),
            new Magic("audio (MP3)", 0, "ID3"),
            new Magic("Ogg", 0, "OggS"),
            new Magic("gzip", 0, "\u001f\u008b"),
            new Magic("ZIP", 0, "PK\3\4"),
            new Magic("Zstandard", 0, "(\u00b5/\u00fd"),
            new Magic("xz", 0, "\u00fd7zXZ"),
            new Magic("bzip2", 0, "BZh"));

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

    /** Names what is none of the formats, or shows its first bytes; for a message. */
    static String describe(byte[] data) {
        if (data.length == 0) {
            return "is empty";
        }
        return Optional.of("AVIF")
                .filter(name -> hasBrand(data, "avif"))
                .or(() -> OTHERS.stream()
                        .filter(magic -> starts(data, magic.at, magic.bytes))
                        .map(Magic::name)
                        .findFirst())
                .or(() -> text(data))
                .map(name -> "is " + name + ", which is not supported")
                .orElseGet(() -> "starts with "
                        + HexFormat.ofDelimiter(" ").formatHex(data, 0, Math.min(8, data.length))
                        + ", which is no known format");
    }

    /** Looks among the brands of a box "ftyp": the general ones come first in AVIF and HEIC alike. */
    private static boolean hasBrand(byte[] data, String brand) {
        if (!starts(data, 4, "ftyp")) {
            return false;
        }
        int end = Math.min(
                data.length, Math.max(0, Math.min(SNIFFED, ByteBuffer.wrap(data).getInt())));
        for (int at = 8; at + 4 <= end; at += 4) {
            if (starts(data, at, brand)) {
                return true;
            }
        }
        return false;
    }

    private static Optional<String> text(byte[] data) {
        boolean utf16 = starts(data, 0, "\u00ff\u00fe") || starts(data, 0, "\u00fe\u00ff");
        Charset charset = utf16 ? StandardCharsets.UTF_16 : StandardCharsets.UTF_8;
        String head = new String(data, 0, Math.min(SNIFFED, data.length), charset)
                .replace("\ufeff", "")
                .strip()
                .toLowerCase(Locale.ROOT);
        if (head.startsWith("<")) {
            return Optional.of(
                    head.contains("<svg")
                            ? "SVG"
                            : head.contains("<html") || head.startsWith("<!doctype html") ? "HTML" : "XML or HTML");
        }
        if (head.startsWith("data:")) {
            return Optional.of("a data: URI");
        }
        if (head.startsWith("{") || head.startsWith("[")) {
            return Optional.of("JSON");
        }
        return head.chars().allMatch(c -> (c >= ' ' && c != 0x7f && c != 0xfffd) || Character.isWhitespace(c))
                ? Optional.of("text")
                : Optional.empty();
    }

    /** @param ascii characters up to 255, one a byte */
    static boolean starts(byte[] data, int at, String ascii) {
        byte[] expected = ascii.getBytes(StandardCharsets.ISO_8859_1);
        return data.length >= at + expected.length
                && Arrays.equals(data, at, at + expected.length, expected, 0, expected.length);
    }
}
