package io.lychee.rerank.domain;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** Cleans and decodes URLs as the WHATWG URL standard does. */
public final class Urls {

    private Urls() {}

    /** Drops control characters and spaces around a URL. */
    public static String strip(String url) {
        int from = 0;
        int to = url.length();
        while (from < to && url.charAt(from) <= ' ') {
            from++;
        }
        while (to > from && url.charAt(to - 1) <= ' ') {
            to--;
        }
        return url.substring(from, to);
    }

    /** Drops tabs and line breaks within a URL, and control characters and spaces around it. */
    public static String clean(String url) {
        String stripped = strip(url);
        StringBuilder out = new StringBuilder(stripped.length());
        stripped.chars().filter(c -> c != '\t' && c != '\n' && c != '\r').forEach(c -> out.append((char) c));
        return out.length() == stripped.length() ? stripped : out.toString();
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
