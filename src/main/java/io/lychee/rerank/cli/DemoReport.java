package io.lychee.rerank.cli;

import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Latency;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.evaluation.Measures;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.DoubleSummaryStatistics;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Prints the lists of a demo run before and after reranking, then their quality and speed. */
final class DemoReport {

    private static final int K = 10;
    private static final int PLACES = 5;
    private static final int TITLE = 34;

    private final PrintStream out;
    private final Mean all = new Mean();
    private final Map<String, Mean> byMode = new TreeMap<>();
    private final Map<String, Mean> byGroup = new TreeMap<>();
    private final List<Long> micros = new ArrayList<>();
    private final Map<Reason, Long> rejected = new EnumMap<>(Reason.class);
    private final long start = System.nanoTime();
    private long pairs;
    private long candidates;

    /** Mean nDCG of some lists. */
    private record Mean(DoubleSummaryStatistics before, DoubleSummaryStatistics after) {

        Mean() {
            this(new DoubleSummaryStatistics(), new DoubleSummaryStatistics());
        }

        void add(double newBefore, double newAfter) {
            before.accept(newBefore);
            after.accept(newAfter);
        }

        Map<String, Object> figures() {
            Map<String, Object> figures = new LinkedHashMap<>();
            figures.put("before", round(before.getAverage()));
            figures.put("after", round(after.getAverage()));
            figures.put("lists", before.getCount());
            return figures;
        }

        String[] row(String label) {
            return new String[] {
                label,
                "%.3f".formatted(before.getAverage()),
                "%.3f".formatted(after.getAverage()),
                "" + before.getCount()
            };
        }
    }

    DemoReport(PrintStream out) {
        this.out = out;
    }

    int lists() {
        return micros.size();
    }

    /** Counts an answer and prints it; a list without any relevance has no nDCG. */
    void add(CandidateList list, RerankedList answer) {
        micros.add(answer.latency().total());
        pairs += answer.results().stream()
                .filter(c -> c.status() == CandidateStatus.SCORED)
                .count();
        candidates += list.candidates().size();
        answer.leftOut().stream()
                .filter(c -> c.status() == CandidateStatus.REJECTED)
                .forEach(c -> rejected.merge(Objects.requireNonNull(c.reason()), 1L, Long::sum));
        printPlaces(list, answer);
        out.println("  " + quality(list, answer) + answer.status() + " in " + latency(answer.latency()));
    }

    /** Adds the list's nDCG to the means and describes it. */
    private String quality(CandidateList list, RerankedList answer) {
        List<Integer> judged = list.candidates().stream()
                .map(candidate -> Objects.requireNonNullElse(candidate.relevance(), 0))
                .toList();
        if (judged.stream().allMatch(relevance -> relevance == 0)) {
            return "";
        }
        List<Integer> ranked = answer.results().stream()
                .map(c -> judged.get(c.retrievalRank() - 1))
                .toList();
        double before = Measures.ndcg(K, judged, judged);
        double after = Measures.ndcg(K, ranked, judged);
        all.add(before, after);
        add(byMode, list.attributes().get("mode"), before, after);
        add(byGroup, list.attributes().get("group"), before, after);
        return "nDCG@10 %.2f → %.2f, ".formatted(before, after);
    }

    private static void add(Map<String, Mean> means, @Nullable String key, double before, double after) {
        if (key != null) {
            means.computeIfAbsent(key, k -> new Mean()).add(before, after);
        }
    }

    private void printPlaces(CandidateList list, RerankedList answer) {
        String images = list.query().images().isEmpty() ? "" : "(picture) ";
        out.println();
        out.println(answer.requestId() + "  " + images
                + Objects.requireNonNullElse(list.query().text(), "") + "  ["
                + String.join(", ", list.attributes().values().stream().sorted().toList()) + "]");
        if (list.instruction() != null) {
            out.println("  " + list.instruction());
        }
        out.println("      " + TextTable.pad("before", TITLE + 2) + "after");
        for (int i = 0; i < PLACES && i < list.candidates().size(); i++) {
            Candidate was = list.candidates().get(i);
            String left = TextTable.pad(mark(was.relevance()) + " " + title(was), TITLE + 2);
            out.printf("  %2d  %s%s%n", i + 1, left, i < answer.results().size() ? place(list, answer, i) : "");
        }
    }

    private static String place(CandidateList list, RerankedList answer, int place) {
        RankedCandidate is = answer.results().get(place);
        Candidate candidate = list.candidates().get(is.retrievalRank() - 1);
        String score = is.score() == null ? "  –  " : "%.3f".formatted(is.score());
        return "%s %s %s (was %d)".formatted(score, mark(candidate.relevance()), title(candidate), is.retrievalRank());
    }

    /** Marks relevance: a full circle from 2, a half one for 1, a dot for 0. */
    private static String mark(@Nullable Integer relevance) {
        return relevance == null ? " " : relevance >= 2 ? "●" : relevance == 1 ? "◐" : "·";
    }

    private static String title(Candidate candidate) {
        String text = Objects.requireNonNullElse(candidate.content().text(), candidate.id());
        return TextTable.cut(candidate.attributes().getOrDefault("title", text), TITLE);
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

    /** Returns the summary for {@code --json}. */
    Map<String, Object> figures() {
        Map<String, Object> quality = all.figures();
        quality.put("by_mode", figures(byMode));
        quality.put("by_group", figures(byGroup));
        Map<String, Object> figures = new LinkedHashMap<>();
        figures.put("lists", lists());
        figures.put("pairs", pairs);
        figures.put("rejected", rejected);
        figures.put("pairs_per_second", round(pairs / seconds()));
        figures.put("ndcg_at_10", quality);
        return figures;
    }

    private static Map<String, Object> figures(Map<String, Mean> means) {
        Map<String, Object> figures = new LinkedHashMap<>();
        means.forEach((key, mean) -> figures.put(key, mean.figures()));
        return figures;
    }

    void printSummary() {
        List<String[]> rows = new ArrayList<>();
        rows.add(new String[] {"", "before", "after", "lists"});
        if (all.before.getCount() > 0) {
            rows.add(all.row("all"));
            byMode.forEach((mode, mean) -> rows.add(mean.row(mode)));
            byGroup.forEach((group, mean) -> rows.add(mean.row(group)));
        }
        TextTable.print(out, "mean nDCG@10", rows);
        List<Long> sorted = micros.stream().sorted().toList();
        TextTable.print(
                out,
                "%d lists, %d pairs in %.1f s: %.1f pairs/s".formatted(lists(), pairs, seconds(), pairs / seconds()),
                List.of(
                        new String[] {"latency of a list", "p50", "p99"},
                        new String[] {"all lists sent at once", millis(sorted, 0.5), millis(sorted, 0.99)}));
        if (!rejected.isEmpty()) {
            TextTable.print(out, new Rejections(rejected, candidates).summary(), List.of());
        }
    }

    private static String millis(List<Long> sorted, double quantile) {
        return sorted.isEmpty() ? "–" : sorted.get((int) (quantile * (sorted.size() - 1))) / 1000 + " ms";
    }

    private double seconds() {
        return (System.nanoTime() - start) / 1e9;
    }

    private static double round(double value) {
        return Math.round(value * 10_000) / 10_000.0;
    }
}
