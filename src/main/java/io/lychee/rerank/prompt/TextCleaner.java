package io.lychee.rerank.prompt;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.Content;
import java.text.Normalizer;
import java.util.Map;
import java.util.Objects;
import java.util.StringJoiner;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Cleans texts before they are encoded, where configured: joins attributes in, normalizes Unicode (NFKC) and replaces
 * spellings by canonical names. Images, ids and attributes don't change. Immutable.
 */
record TextCleaner(RerankConfig.Preparation settings, CanonicalNames spellings) {

    /** Characters that are cleaned; the rest is cut before the network reads it. */
    static final int MAX_CHARS = 64 * 1024;

    private static final String SEPARATOR = " | ";
    private static final Pattern SLOT = Pattern.compile("\\{([^{}]+)}");

    /** @throws io.lychee.rerank.config.ConfigException when the file of spellings can't be read */
    static TextCleaner of(RerankConfig.Preparation settings) {
        return new TextCleaner(
                settings, settings.spellings().isEmpty() ? CanonicalNames.NONE : CanonicalNames.read(settings));
    }

    Content prepare(Content query) {
        return with(query, query.text());
    }

    Content prepare(Candidate candidate) {
        return with(candidate.content(), joined(candidate.content().text(), candidate.attributes()));
    }

    /** Returns the same object where the text doesn't change. */
    private Content with(Content content, @Nullable String text) {
        String clean = settings.normalize() || !spellings.byKey().isEmpty() ? clean(text) : text;
        return Objects.equals(clean, content.text()) ? content : new Content(clean, content.images());
    }

    private @Nullable String clean(@Nullable String text) {
        if (text == null) {
            return null;
        }
        String head = text.substring(0, Math.min(text.length(), MAX_CHARS));
        String normal = settings.normalize() ? Normalizer.normalize(head, Normalizer.Form.NFKC) : head;
        return spellings.apply(normal) + text.substring(head.length());
    }

    /** Joins the template's parts whose names all have a value; null for none. */
    private @Nullable String joined(@Nullable String text, Map<String, String> attributes) {
        if (settings.template().isEmpty()) {
            return text;
        }
        StringJoiner parts = new StringJoiner(SEPARATOR);
        for (String part : settings.template().split(Pattern.quote(SEPARATOR), -1)) {
            if (SLOT.matcher(part)
                    .results()
                    .noneMatch(slot -> value(slot.group(1), text, attributes).isBlank())) {
                parts.add(SLOT.matcher(part)
                        .replaceAll(slot -> Matcher.quoteReplacement(value(slot.group(1), text, attributes))));
            }
        }
        return parts.length() == 0 ? null : parts.toString();
    }

    private static String value(String name, @Nullable String text, Map<String, String> attributes) {
        String value = name.equals("text") ? text : attributes.get(name);
        return value == null ? "" : value;
    }
}
