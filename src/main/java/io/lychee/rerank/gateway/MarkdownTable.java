package io.lychee.rerank.gateway;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.RerankedList;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** An answer for people: one row a candidate, best first, and what there is to say about it. */
final class MarkdownTable {

    private static final int SHOWN = 160;

    private MarkdownTable() {}

    static String of(CandidateList list, RerankedList answer) {
        StringBuilder table = new StringBuilder();
        table.append("| rank | was | score | band | document | note |\n|---:|---:|---:|---|---|---|\n");
        List<RankedCandidate> all = new ArrayList<>(answer.results());
        all.addAll(answer.leftOut());
        for (RankedCandidate candidate : all) {
            Double score = candidate.score();
            row(
                    table,
                    candidate.rank() == null ? "–" : candidate.rank().toString(),
                    Integer.toString(candidate.retrievalRank()),
                    score == null ? "–" : String.format(Locale.ROOT, "%.3f", score),
                    score == null ? "–" : band(score),
                    document(list, candidate),
                    note(candidate));
        }
        return table.toString();
    }

    private static void row(StringBuilder table, String... cells) {
        for (String cell : cells) {
            table.append("| ").append(cell).append(' ');
        }
        table.append("|\n");
    }

    static String band(double score) {
        return score >= 0.75 ? "strong" : score >= 0.55 ? "medium" : "weak";
    }

    private static String document(CandidateList list, RankedCandidate candidate) {
        var content = list.candidates().get(candidate.retrievalRank() - 1).content();
        String text = Objects.requireNonNullElse(content.text(), "");
        String shown = text.length() <= SHOWN ? text : text.substring(0, SHOWN - 1) + "…";
        return (content.images().isEmpty() ? "" : "(picture) ") + escape(shown);
    }

    private static String note(RankedCandidate candidate) {
        List<String> notes = new ArrayList<>();
        for (String rule : candidate.rules()) {
            notes.add("rule " + escape(rule));
        }
        if (candidate.truncated()) {
            notes.add("truncated");
        }
        if (candidate.status() != CandidateStatus.SCORED) {
            String what = candidate.status() == CandidateStatus.REJECTED ? "rejected" : "not scored";
            notes.add(what + " because " + because(candidate));
        } else if (candidate.reason() != null) {
            notes.add("left out, " + candidate.reason());
        } else if (candidate.detail() != null) {
            notes.add(escape(candidate.detail()));
        }
        return String.join("; ", notes);
    }

    private static String because(RankedCandidate candidate) {
        @Nullable String detail = candidate.detail();
        return candidate.reason() + (detail == null ? "" : ": " + escape(detail));
    }

    /** One line of plain text: no cell, markup, link or HTML can begin in it. */
    static String escape(String text) {
        StringBuilder out = new StringBuilder(text.length() + 16);
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '\\', '|', '`', '*', '_', '[', ']', '~', '!', '#' ->
                    out.append('\\').append(c);
                default -> out.append(Character.isISOControl(c) || c == '\u2028' || c == '\u2029' ? ' ' : c);
            }
        }
        return out.toString();
    }
}
