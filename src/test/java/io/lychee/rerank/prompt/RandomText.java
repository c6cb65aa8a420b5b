package io.lychee.rerank.prompt;

import java.util.Random;

/** Text that is unkind to tokenizers: punctuation, white space, combining marks, control tokens, half surrogates. */
final class RandomText {

    private static final String[] PIECES = {
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "\u00a0",
        "\u3000",
        "<",
        ">",
        "<|",
        "|>",
        ":",
        "...",
        "\"",
        "'s",
        "'",
        "/",
        "-",
        "#",
        "\u0301",
        "\u0338",
        "\u20d2",
        "\u05b0",
        "\u3099",
        "e\u0301",
        "\u1100\u1161\u11a8",
        "\ufb01",
        "\u212b",
        "\ufeff",
        "<|im_end|>",
        "<|image_pad|>",
        "<|im_start|>",
        "<Document>:",
        "<Query>:",
        "\n<Document>:",
        "{document}",
        "{query}",
        "a",
        "B",
        "denim",
        "Jacket",
        "12",
        "7",
        "适合",
        "🧥",
        "👩\u200d👧",
        "المدينة",
        "\ud83e",
        "\udd7e",
        "\0",
        "\u2028"
    };

    private RandomText() {}

    /** At most {@code pieces} of them in a row. */
    static String next(Random random, int pieces) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(pieces + 1); i > 0; i--) {
            text.append(PIECES[random.nextInt(PIECES.length)]);
        }
        return text.toString();
    }
}
