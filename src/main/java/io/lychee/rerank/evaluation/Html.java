package io.lychee.rerank.evaluation;

import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Text into HTML: whatever comes from a file is escaped here, once. */
final class Html {

    private static final Pattern SLOT = Pattern.compile("\\{\\{(\\w+)\\}\\}");

    private Html() {}

    /** For elements and for attributes in either quotes. */
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

    /** Escaped, cut, and kept from turning the text around it when it is written from right to left. */
    static String shown(String text, int maxChars) {
        int length = text.codePointCount(0, text.length());
        String cut = length <= maxChars ? text : text.substring(0, text.offsetByCodePoints(0, maxChars - 1)) + "…";
        return "<bdi>" + escape(cut) + "</bdi>";
    }

    /** Fills the slots {@code {{name}}} of a template; what is put in is not looked at for slots. */
    static String fill(String template, Map<String, String> parts) {
        Matcher slots = SLOT.matcher(template);
        StringBuilder out = new StringBuilder();
        while (slots.find()) {
            String part = parts.get(slots.group(1));
            if (part == null) {
                throw new IllegalStateException("nothing for the template's " + slots.group());
            }
            slots.appendReplacement(out, Matcher.quoteReplacement(part));
        }
        return slots.appendTail(out).toString();
    }

    static String format(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }
}
