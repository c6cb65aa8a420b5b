package io.lychee.rerank.gateway;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.RerankedList;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Collectors;

/** Writes an answer as a Markdown table for people: one row a candidate, best first. */
final class MarkdownTable {

    private static final int SHOWN_CHARACTERS = 160;

    private MarkdownTable() {}

    static String of(CandidateList list, RerankedList answer) {
        return answer.all()
                .map(candidate -> row(list, candidate))
                .collect(Collectors.joining(
                        "", "| rank | was | score | band | document | note |\n|---:|---:|---:|---|---|---|\n", ""));
    }

    private static String row(CandidateList list, RankedCandidate candidate) {
        Integer rank = candidate.rank();
        Double score = candidate.score();
        Content content = list.candidates().get(candidate.retrievalRank() - 1).content();
        List<String> cells = List.of(
                rank == null ? "–" : rank.toString(),
                Integer.toString(candidate.retrievalRank()),
                score == null ? "–" : String.format(Locale.ROOT, "%.3f", score),
                score == null ? "–" : score >= 0.75 ? "strong" : score >= 0.55 ? "medium" : "weak",
                document(content),
                note(candidate));
        return "| " + String.join(" | ", cells) + " |\n";
    }

    private static String document(Content content) {
        String text = Objects.requireNonNullElse(content.text(), "");
        String shown = text.length() <= SHOWN_CHARACTERS ? text : text.substring(0, SHOWN_CHARACTERS - 1) + "…";
        return (content.images().isEmpty() ? "" : "(picture) ") + escape(shown);
    }

    private static String note(RankedCandidate candidate) {
        List<String> notes = new ArrayList<>();
        candidate.rules().forEach(rule -> notes.add("rule " + escape(rule)));
        if (candidate.truncated()) {
            notes.add("truncated");
        }
        String detail = candidate.detail() == null ? "" : escape(candidate.detail());
        if (candidate.status() != CandidateStatus.SCORED) {
            notes.add((candidate.status() == CandidateStatus.REJECTED ? "rejected" : "not scored") + " because "
                    + candidate.reason() + (detail.isEmpty() ? "" : ": " + detail));
        } else if (candidate.reason() != null) {
            notes.add("left out, " + candidate.reason());
        } else if (!detail.isEmpty()) {
            notes.add(detail);
        }
        return String.join("; ", notes);
    }

    /** Keeps text on one line, with nothing in it that begins a cell, markup, a link or HTML. */
    private static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replaceAll("[\\\\|`*_\\[\\]~!#]", "\\\\$0")
                .replaceAll("[\\x00-\\x1F\\x7F-\\x9F\\u2028\\u2029]", " ");
    }
}
