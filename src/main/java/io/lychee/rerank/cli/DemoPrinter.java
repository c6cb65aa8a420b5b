package io.lychee.rerank.cli;

import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Latency;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.RerankedList;
import java.io.PrintStream;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Prints lists for people: the first places before and after, scores, and where the time went. */
final class DemoPrinter {

    private static final int PLACES = 5;
    private static final int TITLE = 34;

    /** Wide code points of the scripts that titles are written in (Unicode, East Asian Width). */
    private static final int[][] WIDE = {
        {0x1100, 0x115F}, {0x2E80, 0xA4CF}, {0xAC00, 0xD7A3}, {0xF900, 0xFAFF}, {0xFE30, 0xFE4F}, {0xFF00, 0xFF60}
    };

    private final PrintStream out;

    DemoPrinter(PrintStream out) {
        this.out = out;
    }

    /** @param before and {@code after}: nDCG@10, or null where nothing is judged */
    void print(CandidateList list, RerankedList answer, @Nullable Double before, @Nullable Double after) {
        out.println();
        out.println(answer.requestId() + "  " + describe(list.query()) + "  ["
                + String.join(", ", list.attributes().values().stream().sorted().toList()) + "]");
        if (list.instruction() != null) {
            out.println("  " + list.instruction());
        }
        out.println("      " + pad("before", TITLE + 2) + "after");
        for (int i = 0; i < PLACES && i < list.candidates().size(); i++) {
            Candidate was = list.candidates().get(i);
            String left = pad(mark(was.relevance()) + " " + title(was), TITLE + 2);
            out.printf("  %2d  %s%s%n", i + 1, left, i < answer.results().size() ? place(list, answer, i) : "");
        }
        String quality = before == null || after == null ? "" : "nDCG@10 %.2f → %.2f, ".formatted(before, after);
        out.println("  " + quality + answer.status() + " in " + latency(answer.latency()));
    }

    private static String place(CandidateList list, RerankedList answer, int place) {
        RankedCandidate is = answer.results().get(place);
        Candidate candidate = list.candidates().get(is.retrievalRank() - 1);
        String score = is.score() == null ? "  –  " : "%.3f".formatted(is.score());
        return "%s %s %s (was %d)".formatted(score, mark(candidate.relevance()), title(candidate), is.retrievalRank());
    }

    /** A full circle for what answers the query, a half one for what nearly does. */
    private static String mark(@Nullable Integer relevance) {
        return relevance == null ? " " : relevance >= 2 ? "●" : relevance == 1 ? "◐" : "·";
    }

    private static String title(Candidate candidate) {
        String title = candidate.attributes().get("title");
        return cut(
                title != null
                        ? title
                        : Objects.requireNonNullElse(candidate.content().text(), candidate.id()));
    }

    private static String describe(Content query) {
        String images = query.images().isEmpty() ? "" : "(picture) ";
        return images + Objects.requireNonNullElse(query.text(), "");
    }

    private static String latency(Latency latency) {
        return "%d ms = source %d + encode %d + queue %d + score %d"
                .formatted(
                        latency.total() / 1000,
                        latency.source() / 1000,
                        latency.encode() / 1000,
                        latency.queue() / 1000,
                        latency.score() / 1000);
    }

    /** @param rows label and figures, printed as a table */
    void table(String title, List<String[]> rows) {
        out.println();
        out.println(title);
        for (String[] row : rows) {
            out.print("  " + pad(row[0], 28));
            for (int i = 1; i < row.length; i++) {
                out.print(pad(row[i], 12));
            }
            out.println();
        }
    }

    private static String cut(String text) {
        StringBuilder cut = new StringBuilder();
        int width = 0;
        for (int c : text.codePoints().toArray()) {
            width += width(c);
            if (width > TITLE - 1) {
                return cut + "…";
            }
            cut.appendCodePoint(c);
        }
        return cut.toString();
    }

    private static String pad(String text, int columns) {
        int width = text.codePoints().map(DemoPrinter::width).sum();
        return text + " ".repeat(Math.max(1, columns - width));
    }

    /** Columns in a terminal: East Asian wide characters take two. */
    private static int width(int c) {
        for (int[] range : WIDE) {
            if (c >= range[0] && c <= range[1]) {
                return 2;
            }
        }
        return 1;
    }
}
