package io.lychee.rerank.cli;

import java.io.PrintStream;
import java.util.List;
import picocli.CommandLine;

/** Prints tables in terminal columns; East Asian wide characters take two. */
final class TextTable {

    private static final int LABEL = 28;
    private static final int FIGURE = 12;

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
        return text + " ".repeat(Math.max(1, columns - width(text)));
    }

    /** Shortens text to {@code columns}, the ellipsis included. */
    static String cut(String text, int columns) {
        StringBuilder cut = new StringBuilder();
        int width = 0;
        for (int c : text.codePoints().toArray()) {
            width += width(Character.toString(c));
            if (width > columns - 1) {
                return cut + "…";
            }
            cut.appendCodePoint(c);
        }
        return cut.toString();
    }

    private static int width(String text) {
        return CommandLine.Help.Ansi.OFF.text(text).getCJKAdjustedLength();
    }
}
