package io.lychee.rerank.image;

import java.nio.ByteBuffer;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** Detects an image's format by its first bytes. Names and content types don't count. */
enum ImageFormat {
    JPEG("\u00ff\u00d8\u00ff"),
    PNG("\u0089PNG\r\n\u001a\n"),
    WEBP("RIFF....WEBP"),
    GIF("GIF8[79]a"),
    BMP("BM");

    /** Bytes that are read at most to name a file of another format. */
    private static final int SNIFFED = 4096;

    /** The first bytes of a format that is not supported, as Latin-1. */
    private record Other(String name, Pattern start) {

        Other(String name, String start) {
            this(name, Pattern.compile(start, Pattern.DOTALL));
        }
    }

    private static final List<Other> OTHERS = List.of(
            // AVIF and HEIC may both begin with a general brand
            new Other("AVIF", "....ftyp(....){0,16}?avi[fs]"),
            new Other("HEIC", "....ftyp(hei|hev|mif1|msf1)"),
            new Other("JPEG XL", "\u00ff\n|....JXL \r\n"),
            new Other("JPEG 2000", "\u00ffO\u00ffQ|....jP  \r\n"),
            new Other("TIFF", "II[*+]\0|MM\0[*+]"),
            new Other("ICO", "\0\0\1\0"),
            new Other("CUR", "\0\0\2\0"),
            new Other("PSD", "8BPS"),
            new Other("PDF", "%PDF"),
            new Other("PostScript", "%!PS"),
            new Other("video (MP4 or QuickTime)", "....ftyp"),
            new Other("video (WebM or Matroska)", "\u001aE\u00df\u00a3"),
            new Other("video (AVI)", "........AVI "),
            new Other("audio (WAV)", "........WAVE"),
            new Other("audio (MP3)", "ID3"),
            new Other("Ogg", "OggS"),
            new Other("gzip", "\u001f\u008b"),
            new Other("ZIP", "PK\3\4"),
            new Other("Zstandard", "\\(\u00b5/\u00fd"),
            new Other("xz", "\u00fd7zXZ"),
            new Other("bzip2", "BZh"));

    private final Pattern start;

    ImageFormat(String start) {
        this.start = Pattern.compile(start, Pattern.DOTALL);
    }

    static Optional<ImageFormat> of(byte[] data) {
        String head = Bytes.text(ByteBuffer.wrap(data, 0, Math.min(12, data.length)));
        return Arrays.stream(values())
                .filter(format -> format.start.matcher(head).lookingAt())
                .findFirst();
    }

    /** Names a file of another format, or shows its first bytes, for a message. */
    static String describe(byte[] data) {
        if (data.length == 0) {
            return "is empty";
        }
        String head = Bytes.text(ByteBuffer.wrap(data, 0, Math.min(SNIFFED, data.length)));
        return OTHERS.stream()
                .filter(other -> other.start.matcher(head).lookingAt())
                .map(Other::name)
                .findFirst()
                .or(() -> text(data))
                .map(name -> "is " + name + ", which is not supported")
                .orElseGet(() -> "starts with "
                        + HexFormat.ofDelimiter(" ").formatHex(data, 0, Math.min(8, data.length))
                        + ", which is no known format");
    }

    private static Optional<String> text(byte[] data) {
        int mark = data.length < 2 ? 0 : ByteBuffer.wrap(data).getChar();
        Charset charset = mark == 0xfffe || mark == 0xfeff ? StandardCharsets.UTF_16 : StandardCharsets.UTF_8;
        String head = new String(data, 0, Math.min(SNIFFED, data.length), charset)
                .replace("\ufeff", "")
                .strip()
                .toLowerCase(Locale.ROOT);
        if (head.startsWith("<")) {
            boolean html = head.contains("<html") || head.startsWith("<!doctype html");
            return Optional.of(head.contains("<svg") ? "SVG" : html ? "HTML" : "XML or HTML");
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
}
