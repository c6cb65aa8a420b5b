package io.lychee.rerank.evaluation;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Rows and charts of an agreement; A is the base, B the file compared with it. */
public record AgreementReport(String base, String compared, Agreement agreement) {

    public String title() {
        return "A: %s, B: %s; %d lists and %d candidates compared"
                .formatted(base, compared, agreement.lists(), agreement.candidates());
    }

    /** Returns rows of a name, a value and a note. */
    public List<String[]> figures() {
        Agreement.Errors error = agreement.error();
        Comparison quality = agreement.quality();
        String ndcg = "ndcg_cut_" + Agreement.TOP;
        List<String[]> rows = new ArrayList<>();
        rows.add(row("score error, mean", Html.format("%.3g", error.mean()), ""));
        rows.add(row("score error, p99", Html.format("%.3g", error.p99()), ""));
        rows.add(row("score error, max", Html.format("%.3g", error.max()), ""));
        rows.add(row("Kendall's tau, mean", agreement.tau(), "lists; tied pairs left out"));
        rows.add(row("top-10 overlap, mean", agreement.overlap(), "lists of more than 10 candidates"));
        rows.add(row("lists whose top 10 changed", "" + agreement.changed(), ""));
        rows.add(row("lists that differ by ties", "" + agreement.ties(), "at the tenth place alone"));
        if (quality == null) {
            rows.add(row(ndcg, "–", "0 lists judged alike"));
        } else {
            PairedDifference gain = quality.gain(ndcg);
            String interval = gain.interval("%+.4f", "one list");
            rows.add(row(
                    ndcg,
                    Html.format("%.4f → %.4f", quality.was(ndcg), quality.is(ndcg)),
                    Html.format("%+.4f (%s), %d lists judged alike", gain.mean(), interval, quality.queries())));
        }
        return rows;
    }

    /** Returns rows of a name, a count and the first few ids. */
    public List<String[]> leftOut() {
        Agreement.Alone first = agreement.base();
        Agreement.Alone second = agreement.compared();
        return List.of(
                row("lists in A alone", first.lists(), first.firstLists()),
                row("lists in B alone", second.lists(), second.firstLists()),
                row("candidates in A alone", first.candidates(), first.firstCandidates()),
                row("candidates in B alone", second.candidates(), second.firstCandidates()),
                row("candidates without a score", agreement.unscored(), List.of()),
                row("candidate ids that repeat", agreement.repeated(), List.of()));
    }

    public String html() throws IOException {
        List<String> counts = IntStream.rangeClosed(0, Agreement.TOP)
                .mapToObj(String::valueOf)
                .toList();
        List<Integer> errors = agreement.error().counts();
        Map<String, Object> page = new HashMap<>();
        page.put("heading", "Agreement of two answer files");
        page.put("source", title());
        page.put("figures", named(figures()));
        page.put("errors", Charts.counts("Candidates by score error", Agreement.Errors.BINS, errors));
        page.put("exchanges", Charts.counts("Lists by candidates exchanged", counts, agreement.exchanged()));
        page.put("leftOut", named(leftOut()));
        return Html.fill("agreement.html", page);
    }

    private static List<Map<String, String>> named(List<String[]> rows) {
        return rows.stream()
                .map(row -> Map.of("name", row[0], "value", row[1], "note", row[2]))
                .toList();
    }

    private static String[] row(String name, Agreement.Mean mean, String over) {
        String value = mean.mean() == null ? "–" : Html.format("%.4f", mean.mean());
        return row(name, value, mean.lists() + " " + over);
    }

    private static String[] row(String name, int count, List<String> first) {
        String more = !first.isEmpty() && count > first.size() ? ", …" : "";
        return row(name, "" + count, String.join(", ", first) + more);
    }

    private static String[] row(String name, String value, String note) {
        return new String[] {name, value, note};
    }
}
