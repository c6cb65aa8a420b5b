package io.lychee.rerank.domain;

import java.util.regex.Pattern;

/** Keeps text valid Unicode, so that every encoder and tokenizer reads it alike. */
public final class Unicode {

    /** Replaces text that is no Unicode. */
    public static final char REPLACEMENT = '\uFFFD';

    /** A surrogate without its other half: whole pairs are read as one character. */
    private static final Pattern HALF = Pattern.compile("\\p{Cs}");

    private Unicode() {}

    /** Replaces each half of a surrogate pair, as cutting through an emoji leaves it, with U+FFFD. */
    public static String wellFormed(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSupplementaryCodePoint(text.codePointAt(i))) {
                i++;
            } else if (Character.isSurrogate(text.charAt(i))) {
                return HALF.matcher(text).replaceAll(String.valueOf(REPLACEMENT));
            }
        }
        return text;
    }

    /** Cuts {@code text} to its beginning, at most {@code length} characters. */
    public static String cut(String text, int length) {
        return text.length() <= length ? text : wellFormed(text.substring(0, length - 1)) + "…";
    }
}
