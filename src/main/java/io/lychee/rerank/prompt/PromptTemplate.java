package io.lychee.rerank.prompt;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The prompt, parsed: literal text, control tokens by id, and slots for what a list brings. Cut in two behind the last
 * newline in front of {@code {document}}: the pre-tokenizer always cuts between a newline and what isn't white space,
 * so encoding the halves apart gives the tokens of the whole.
 */
final class PromptTemplate {

    /** What is filled in for each list or candidate. */
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

    private final List<Piece> prefix;
    private final List<Piece> candidate;

    private PromptTemplate(List<Piece> prefix, List<Piece> candidate) {
        this.prefix = List.copyOf(prefix);
        this.candidate = List.copyOf(candidate);
    }

    /** @throws ConfigException when a placeholder is missing, repeated or out of order, or the halves can't be told */
    static PromptTemplate parse(RerankConfig.Prompt prompt, Tokenizer tokenizer) {
        String template = prompt.template();
        int instruction = only(template, "{instruction}");
        int query = only(template, "{query}");
        int document = only(template, "{document}");
        if (template.contains("{system}")) {
            only(template, "{system}");
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

    /** What all candidates of a list share: instruction and query. */
    List<Piece> prefix() {
        return prefix;
    }

    /** The rest: the document. */
    List<Piece> candidate() {
        return candidate;
    }

    private static int only(String template, String placeholder) {
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
                pieces.add(new Piece(null, null, slot(name)));
            }
            end = matcher.end();
        }
        addText(pieces, half.substring(end));
        return pieces;
    }

    private static Slot slot(String name) {
        return switch (name) {
            case "instruction" -> Slot.INSTRUCTION;
            case "query" -> Slot.QUERY;
            case "document" -> Slot.DOCUMENT;
            default -> throw new IllegalStateException(name);
        };
    }

    private static void addText(List<Piece> pieces, String text) {
        if (!text.isEmpty()) {
            pieces.add(new Piece(text, null, null));
        }
    }
}
