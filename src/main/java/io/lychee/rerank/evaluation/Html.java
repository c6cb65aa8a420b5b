package io.lychee.rerank.evaluation;

import com.samskivert.mustache.Escapers;
import com.samskivert.mustache.Mustache;
import io.lychee.rerank.domain.Unicode;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;

/** Escapes and formats text for HTML, and fills templates. */
final class Html {

    private static final Pattern NO_TEXT = Pattern.compile("[\\p{Cc}\\p{Cs}&&[^\n\t]]");
    private static final Mustache.Escaper ESCAPER = Escapers.simple(new String[][] {
        {"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"},
    });

    private Html() {}

    /**
     * Escapes text for elements and for attributes in either quotes; control characters and halves of surrogate pairs
     * become U+FFFD.
     */
    static String escape(String text) {
        return ESCAPER.escape(NO_TEXT.matcher(text).replaceAll(String.valueOf(Unicode.REPLACEMENT)));
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

    /** Fills a template of this package's resources; it may include others by their file names. */
    static String fill(String template, Map<String, Object> values) throws IOException {
        try (Reader reader = open(template)) {
            return Mustache.compiler()
                    .withEscaper(Html::escape)
                    .withLoader(Html::open)
                    .compile(reader)
                    .execute(values);
        }
    }

    private static Reader open(String template) {
        InputStream in = Html.class.getResourceAsStream("/evaluation/" + template);
        return new InputStreamReader(Objects.requireNonNull(in, template), StandardCharsets.UTF_8);
    }
}
