package io.lychee.rerank.domain;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Reads pictures in text, {@code data:image/png;base64,…}, by the rules of WHATWG's Fetch standard. */
public final class DataUri {

    private static final String SCHEME = "data:";
    /** The media type of bytes that are no picture. */
    public static final String UNKNOWN = "application/octet-stream";

    private static final Pattern BASE64 = Pattern.compile("; *base64$", Pattern.CASE_INSENSITIVE);

    private static final Map<String, Pattern> MAGIC = Map.of(
            "image/jpeg", Pattern.compile("\u00FF\u00D8\u00FF"),
            "image/png", Pattern.compile("\u0089PNG"),
            "image/gif", Pattern.compile("GIF8"),
            "image/webp", Pattern.compile("RIFF.{4}WEBP", Pattern.DOTALL));

    private DataUri() {}

    /** Decodes a {@code data:} URI; null when {@code text} is none, or its base64 is malformed. */
    public static byte @Nullable [] parse(String text) {
        String type = mediaType(text);
        if (type == null) {
            return null;
        }
        String uri = Urls.clean(text);
        int fragment = uri.indexOf('#');
        byte[] data = Urls.percentDecoded(uri.substring(uri.indexOf(',') + 1, fragment < 0 ? uri.length() : fragment));
        return BASE64.matcher(type).find() ? base64(data) : data;
    }

    /** Tells a picture, by its media type or its first bytes, from text that begins with {@code data:} too. */
    public static boolean isPicture(String text) {
        String type = mediaType(text);
        if (type == null) {
            return false;
        }
        byte[] data = type.regionMatches(true, 0, "image/", 0, 6) ? null : parse(text);
        return data == null
                ? type.regionMatches(true, 0, "image/", 0, 6)
                : !type(data).equals(UNKNOWN);
    }

    /** Reads the media type, between the scheme and the first comma; null where either is missing. */
    private static @Nullable String mediaType(String text) {
        int comma = text.indexOf(',');
        String start = comma < 0 ? "" : Urls.clean(text.substring(0, comma));
        boolean data = start.regionMatches(true, 0, SCHEME, 0, SCHEME.length()) && start.indexOf('#') < 0;
        return data ? start.substring(SCHEME.length()).strip() : null;
    }

    /** Encodes a picture, with the media type of its magic bytes. */
    public static String of(byte[] data) {
        return SCHEME + type(data) + ";base64," + Base64.getEncoder().encodeToString(data);
    }

    /** Decodes base64 with white space, without padding, or in the URL-safe alphabet; null when it is malformed. */
    private static byte @Nullable [] base64(byte[] text) {
        int length = 0;
        for (byte b : text) {
            if (b != '\n' && b != '\r' && b != ' ' && b != '\t' && b != '\f') {
                text[length++] = (byte) (b == '-' ? '+' : b == '_' ? '/' : b);
            }
        }
        for (int padding = 0; padding < 2 && length > 0 && text[length - 1] == '='; padding++) {
            length--;
        }
        try {
            return Base64.getDecoder().decode(Arrays.copyOf(text, length));
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    /** Returns the media type that the magic bytes of a picture say. */
    public static String type(byte[] data) {
        String start = new String(data, 0, Math.min(12, data.length), StandardCharsets.ISO_8859_1);
        return MAGIC.entrySet().stream()
                .filter(magic -> magic.getValue().matcher(start).lookingAt())
                .map(Map.Entry::getKey)
                .findFirst()
                .orElse(UNKNOWN);
    }
}
