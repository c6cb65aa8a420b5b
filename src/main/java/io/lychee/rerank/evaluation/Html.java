package io.lychee.rerank.evaluation;

import java.util.Locale;

/** Escapes and formats text for HTML. */
final class Html {

    private Html() {}

    /** Escapes text for elements and for attributes in either quotes; control characters become U+FFFD. */
    static String escape(String text) {
        StringBuilder out = new StringBuilder(text.length() + 16);
        text.codePoints().forEach(c -> {
            switch (c) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '"' -> out.append("&quot;");
                case '\'' -> out.append("&#39;");
                default -> {
                    boolean shown = c == '\n' || c == '\t' || !(Character.isISOControl(c) || surrogate(c));
                    out.appendCodePoint(shown ? c : 0xFFFD);
                }
            }
        });
        return out.toString();
    }

    private static boolean surrogate(int c) {
        return c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE;
    }

    /** Cuts a text to at most {@code maxChars} code points. */
    static String cut(String text, int maxChars) {
        return text.codePointCount(0, text.length()) <= maxChars
                ? text
                : text.substring(0, text.offsetByCodePoints(0, maxChars - 1)) + "…";
    }

    /** Formats numbers with a point, in every locale. */
    static String format(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }
}
