package io.lychee.rerank.cli;

import java.io.PrintStream;
import java.util.List;

/** Prints tables in terminal columns; East Asian wide characters take two. */
final class TextTable {

    private static final int LABEL = 28;
    private static final int FIGURE = 12;

    /** Wide code points of the scripts that titles are written in (Unicode, East Asian Width). */
    private static final int[][] WIDE = {
        {0x1100, 0x115F}, {0x2E80, 0xA4CF}, {0xAC00, 0xD7A3}, {0xF900, 0xFAFF}, {0xFE30, 0xFE4F}, {0xFF00, 0xFF60}
    };

    private TextTable() {}

    /** @param rows a label and its figures each */
    static void print(PrintStream out, String title, List<String[]> rows) {
        out.println();
        out.println(title);
        for (String[] row : rows) {
            out.print("  " + pad(row[0], LABEL));
            for (int i = 1; i < row.length; i++) {
                out.print(pad(row[i], FIGURE));
            }
            out.println();
        }
    }

    static String pad(String text, int columns) {
        int width = text.codePoints().map(TextTable::width).sum();
        return text + " ".repeat(Math.max(1, columns - width));
    }

    /** Shortens text to {@code columns}, the ellipsis included. */
    static String cut(String text, int columns) {
        StringBuilder cut = new StringBuilder();
        int width = 0;
        for (int c : text.codePoints().toArray()) {
            width += width(c);
            if (width > columns - 1) {
                return cut + "…";
            }
            cut.appendCodePoint(c);
        }
        return cut.toString();
    }

    private static int width(int c) {
        for (int[] range : WIDE) {
            if (c >= range[0] && c <= range[1]) {
                return 2;
            }
        }
        return 1;
    }
}
