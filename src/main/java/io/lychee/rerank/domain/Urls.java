package io.lychee.rerank.domain;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/** Cleans and decodes URLs as the WHATWG URL standard does. */
public final class Urls {

    private static final Pattern BREAK = Pattern.compile("[\\t\\n\\r]");

    private Urls() {}

    /** Drops tabs and line breaks within a URL, and control characters and spaces around it. */
    public static String clean(String url) {
        return BREAK.matcher(url.trim()).replaceAll("");
    }

    /** Decodes each percent sign before two hexadecimal digits; others stay. */
    public static byte[] percentDecoded(String text) {
        byte[] in = text.getBytes(StandardCharsets.UTF_8);
        if (text.indexOf('%') < 0) {
            return in;
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream(in.length);
        for (int i = 0; i < in.length; i++) {
            int high = in[i] == '%' && i + 2 < in.length ? Character.digit(in[i + 1], 16) : -1;
            int low = high >= 0 ? Character.digit(in[i + 2], 16) : -1;
            out.write(low < 0 ? in[i] : high << 4 | low);
            i += low < 0 ? 0 : 2;
        }
        return out.toByteArray();
    }
}
