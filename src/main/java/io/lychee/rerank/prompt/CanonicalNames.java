package io.lychee.rerank.prompt;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Replaces spellings of names by their canonical form, such as {@code iPhone # Pro Max} with # for any number. Matches
 * whatever the case and however spaces and hyphens separate the words, but never inside a longer word. The longest name
 * wins. Immutable.
 *
 * @param byKey each name by its words in lower case with nothing between
 */
record CanonicalNames(Map<String, String> byKey) {

    static final CanonicalNames NONE = new CanonicalNames(Map.of());

    private static final int MAX_NAMES = 100_000;
    private static final int MAX_WORDS = 12;

    /** A run of one script or of digits: {@code iPhone15} is two words, and a name between Chinese is one. */
    private static final Pattern WORD =
            Pattern.compile("\\p{IsHan}|[\\p{IsLatin}\\p{M}]+|\\p{Nd}+|#|[\\p{L}&&[^\\p{IsHan}\\p{IsLatin}]]+");

    private static final Pattern GAP = Pattern.compile("[\\s\\p{Z}-]*");

    /** @throws ConfigException when the file can't be read, or a line is no name */
    static CanonicalNames read(RerankConfig.Preparation settings) {
        Path file = Path.of(settings.spellings());
        List<String> lines;
        try {
            lines = Files.readAllLines(file);
        } catch (IOException e) {
            throw new ConfigException("text.spellings is " + file + ", which can't be read as UTF-8 text: " + e, e);
        }
        if (lines.size() > MAX_NAMES) {
            throw new ConfigException(
                    "text.spellings: " + file + " has " + lines.size() + " lines; at most " + MAX_NAMES);
        }
        Map<String, String> byKey = new HashMap<>();
        for (String line : lines) {
            String name = line.strip();
            if (!name.isEmpty()) {
                List<MatchResult> words = WORD.matcher(name).results().toList();
                if (words.isEmpty() || words.size() > MAX_WORDS) {
                    throw new ConfigException("text.spellings: " + file + " has \"" + name + "\", of " + words.size()
                            + " words; expected 1 to " + MAX_WORDS);
                }
                StringBuilder joined = new StringBuilder();
                words.forEach(word -> joined.append(word.group().toLowerCase(Locale.ROOT)));
                byKey.put(joined.toString(), name);
            }
        }
        return new CanonicalNames(Map.copyOf(byKey));
    }

    String apply(String text) {
        if (byKey.isEmpty()) {
            return text;
        }
        List<MatchResult> words = WORD.matcher(text).results().toList();
        StringBuilder out = new StringBuilder(text.length());
        int copied = 0;
        for (int i = 0; i < words.size(); i++) {
            int last = -1;
            String name = null;
            StringBuilder exact = new StringBuilder();
            StringBuilder numbered = new StringBuilder();
            for (int j = i; j < Math.min(words.size(), i + MAX_WORDS) && (j == i || touch(text, words, j)); j++) {
                String word = words.get(j).group().toLowerCase(Locale.ROOT);
                exact.append(word);
                numbered.append(Character.isDigit(word.charAt(0)) ? "#" : word);
                String found = found(exact.toString(), numbered.toString(), words.subList(i, j + 1));
                if (found != null) {
                    last = j;
                    name = found;
                }
            }
            if (name != null) {
                out.append(text, copied, words.get(i).start()).append(name);
                copied = words.get(last).end();
                i = last;
            }
        }
        return out.append(text, copied, text.length()).toString();
    }

    private @Nullable String found(String exact, String numbered, List<MatchResult> words) {
        String name = byKey.get(exact);
        if (name != null || exact.equals(numbered)) {
            return name;
        }
        name = byKey.get(numbered);
        for (MatchResult word : words) {
            if (name != null && Character.isDigit(word.group().charAt(0))) {
                name = name.replaceFirst("#", word.group());
            }
        }
        return name;
    }

    /** Checks that only spaces and hyphens separate a word from the one before. */
    private static boolean touch(String text, List<MatchResult> words, int word) {
        int gap = words.get(word - 1).end();
        int next = words.get(word).start();
        return GAP.matcher(text).region(gap, next).matches();
    }
}
