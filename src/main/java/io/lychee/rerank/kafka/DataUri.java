package io.lychee.rerank.kafka;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import org.jspecify.annotations.Nullable;

/** Pictures in JSON: {@code data:image/png;base64,…}, or percent-encoded without {@code ;base64}. */
public final class DataUri {

    private static final String SCHEME = "data:";
    private static final String BASE64 = ";base64";

    private DataUri() {}

    /** Its bytes; null when {@code text} is no data URI, or a malformed one. */
    public static byte @Nullable [] parse(String text) {
        if (!text.regionMatches(true, 0, SCHEME, 0, SCHEME.length())) {
            return null;
        }
        int comma = text.indexOf(',');
        if (comma < 0) {
            return null;
        }
        boolean base64 = comma >= BASE64.length()
                && text.regionMatches(true, comma - BASE64.length(), BASE64, 0, BASE64.length());
        byte[] data = percentDecoded(text, comma + 1);
        return data == null || !base64 ? data : base64(data);
    }

    /** With the type that the magic bytes say. */
    static String of(byte[] data) {
        return SCHEME + type(data) + BASE64 + "," + Base64.getEncoder().encodeToString(data);
    }

    private static byte @Nullable [] base64(byte[] text) {
        int length = 0;
        boolean urlSafe = false;
        for (byte b : text) {
            // line breaks, as mail programs and `base64` put them in
            if (b == '\n' || b == '\r' || b == ' ' || b == '\t') {
                continue;
            }
            urlSafe |= b == '-' || b == '_';
            text[length++] = b;
        }
        byte[] packed = Arrays.copyOf(text, length);
        try {
            return (urlSafe ? Base64.getUrlDecoder() : Base64.getDecoder()).decode(packed);
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    private static byte @Nullable [] percentDecoded(String text, int from) {
        if (text.indexOf('%', from) < 0) {
            return text.substring(from).getBytes(StandardCharsets.UTF_8);
        }
        byte[] in = text.substring(from).getBytes(StandardCharsets.UTF_8);
        ByteArrayOutputStream out = new ByteArrayOutputStream(in.length);
        for (int i = 0; i < in.length; i++) {
            if (in[i] != '%') {
                out.write(in[i]);
                continue;
            }
            int high = i + 2 < in.length ? Character.digit(in[i + 1], 16) : -1;
            int low = high >= 0 ? Character.digit(in[i + 2], 16) : -1;
            if (low < 0) {
                return null;
            }
            out.write(high << 4 | low);
            i += 2;
        }
        return out.toByteArray();
    }

    private static String type(byte[] data) {
        if (startsWith(data, 0, "\u00FF\u00D8\u00FF")) {
            return "image/jpeg";
        }
        if (startsWith(data, 0, "\u0089PNG")) {
            return "image/png";
        }
        if (startsWith(data, 0, "GIF8")) {
            return "image/gif";
        }
        if (startsWith(data, 0, "RIFF") && startsWith(data, 8, "WEBP")) {
            return "image/webp";
        }
        return "application/octet-stream";
    }

    private static boolean startsWith(byte[] data, int from, String magic) {
        if (data.length < from + magic.length()) {
            return false;
        }
        for (int i = 0; i < magic.length(); i++) {
            if ((data[from + i] & 0xFF) != magic.charAt(i)) {
                return false;
            }
        }
        return true;
    }
}
