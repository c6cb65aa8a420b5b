package io.lychee.rerank.prompt;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Parses the prompt into text, control tokens and slots, in two halves. The prefix ends after the last newline before
 * {@code {document}}. The pre-tokenizer always splits between a newline and what isn't white space, so the tokens of
 * the halves are those of the whole. Immutable.
 *
 * @param prefix shared by all candidates of a list, with instruction and query
 * @param candidate the rest, with the document
 */
record PromptTemplate(List<Piece> prefix, List<Piece> candidate) {

    /** A place that a list or a candidate fills. */
    enum Slot {
        INSTRUCTION,
        QUERY,
        DOCUMENT
    }

    /** Exactly one of: literal text, the id of a control token, a slot. */
    record Piece(
            @Nullable String text,
            @Nullable Integer control,
            @Nullable Slot slot) {}

    private static final Pattern PLACEHOLDER = Pattern.compile("\\{(system|instruction|query|document)}");

    /**
     * @throws ConfigException when a placeholder is missing, repeated or out of order, or there is no place to split
     */
    static PromptTemplate parse(RerankConfig.Prompt prompt, Tokenizer tokenizer) {
        String template = prompt.template();
        int instruction = indexOf(template, "{instruction}");
        int query = indexOf(template, "{query}");
        int document = indexOf(template, "{document}");
        if (template.contains("{system}")) {
            indexOf(template, "{system}");
        }
        int newline = template.lastIndexOf('\n', document);
        if (newline < Math.max(instruction, query)) {
            throw refused("has no newline between {query}, {instruction} and {document}; expected one, since what comes"
                    + " before it is computed once a list");
        }
        int start = newline + 1;
        if (start == document || Character.isWhitespace(template.codePointAt(start))) {
            throw refused("has %s behind the last newline in front of {document}; expected a label such as <Document>:,"
                            .formatted(start == document ? "nothing" : "white space")
                    + " so that the prompt's tokens don't depend on how a candidate begins");
        }
        if (Character.getType(template.codePointAt(start)) == Character.NON_SPACING_MARK) {
            throw refused("has a combining mark behind the last newline in front of {document}");
        }
        return new PromptTemplate(
                pieces(template.substring(0, start), prompt.system(), tokenizer),
                pieces(template.substring(start), prompt.system(), tokenizer));
    }

    private static int indexOf(String template, String placeholder) {
        int index = template.indexOf(placeholder);
        if (index < 0) {
            throw refused("has no " + placeholder + "; expected it once");
        }
        if (template.indexOf(placeholder, index + 1) >= 0) {
            throw refused("has " + placeholder + " more than once");
        }
        return index;
    }

    private static ConfigException refused(String what) {
        return new ConfigException("prompt.template " + what);
    }

    private static List<Piece> pieces(String half, String system, Tokenizer tokenizer) {
        // the longest name first, in case one starts with another
        String names = tokenizer.controlTokens().keySet().stream()
                .sorted(Comparator.comparingInt(String::length).reversed())
                .map(Pattern::quote)
                .collect(Collectors.joining("|"));
        Pattern special = Pattern.compile(PLACEHOLDER.pattern() + (names.isEmpty() ? "" : "|" + names));
        List<Piece> pieces = new ArrayList<>();
        Matcher matcher = special.matcher(half);
        int end = 0;
        while (matcher.find()) {
            addText(pieces, half.substring(end, matcher.start()));
            String name = matcher.group(1);
            if (name == null) {
                pieces.add(new Piece(null, tokenizer.controlToken(matcher.group()), null));
            } else if (name.equals("system")) {
                addText(pieces, system);
            } else {
                pieces.add(new Piece(null, null, Slot.valueOf(name.toUpperCase(Locale.ROOT))));
            }
            end = matcher.end();
        }
        addText(pieces, half.substring(end));
        return List.copyOf(pieces);
    }

    private static void addText(List<Piece> pieces, String text) {
        if (!text.isEmpty()) {
            pieces.add(new Piece(text, null, null));
        }
    }
}
