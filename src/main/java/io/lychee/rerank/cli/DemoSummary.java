package io.lychee.rerank.cli;

import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.evaluation.Measures;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Quality and speed over the lists of a demo run. */
final class DemoSummary {

    private static final int K = 10;

    /** Sums over some of the lists. */
    private static final class Mean {
        private double before;
        private double after;
        private int lists;

        void add(double newBefore, double newAfter) {
            before += newBefore;
            after += newAfter;
            lists++;
        }

        Map<String, Object> figures() {
            Map<String, Object> figures = new LinkedHashMap<>();
            figures.put("before", round(before / lists));
            figures.put("after", round(after / lists));
            figures.put("lists", lists);
            return figures;
        }

        String[] row(String label) {
            return new String[] {label, "%.3f".formatted(before / lists), "%.3f".formatted(after / lists), "" + lists};
        }
    }

    private final Mean all = new Mean();
    private final Map<String, Mean> byMode = new TreeMap<>();
    private final Map<String, Mean> byGroup = new TreeMap<>();
    private final List<Long> micros = new ArrayList<>();
    private final long start = System.nanoTime();
    private int lists;
    private long pairs;
    private long candidates;
    private final Map<Reason, Long> rejected = new EnumMap<>(Reason.class);
    private @Nullable Double lastBefore;
    private @Nullable Double lastAfter;

    void add(CandidateList list, RerankedList answer) {
        lists++;
        micros.add(answer.latency().total());
        pairs += answer.results().stream()
                .filter(c -> c.status() == CandidateStatus.SCORED)
                .count();
        candidates += list.candidates().size();
        answer.leftOut().stream()
                .filter(c -> c.status() == CandidateStatus.REJECTED)
                .forEach(c -> rejected.merge(Objects.requireNonNull(c.reason()), 1L, Long::sum));
        List<Integer> judged = list.candidates().stream()
                .map(Candidate::relevance)
                .map(r -> Objects.requireNonNullElse(r, 0))
                .toList();
        lastBefore = null;
        lastAfter = null;
        if (judged.stream().allMatch(r -> r == 0)) {
            return;
        }
        List<Integer> ranked = answer.results().stream()
                .map(c -> judged.get(c.retrievalRank() - 1))
                .toList();
        double before = Measures.ndcg(K, judged, judged);
        double after = Measures.ndcg(K, ranked, judged);
        lastBefore = before;
        lastAfter = after;
        all.add(before, after);
        add(byMode, list.attributes().get("mode"), before, after);
        add(byGroup, list.attributes().get("group"), before, after);
    }

    private static void add(Map<String, Mean> means, @Nullable String key, double before, double after) {
        if (key != null) {
            means.computeIfAbsent(key, k -> new Mean()).add(before, after);
        }
    }

    int lists() {
        return lists;
    }

    @Nullable
    Double lastBefore() {
        return lastBefore;
    }

    @Nullable
    Double lastAfter() {
        return lastAfter;
    }

    Map<String, Object> figures() {
        Map<String, Object> quality = new LinkedHashMap<>(all.figures());
        quality.put("by_mode", each(byMode));
        quality.put("by_group", each(byGroup));
        Map<String, Object> figures = new LinkedHashMap<>();
        figures.put("lists", lists);
        figures.put("pairs", pairs);
        figures.put("rejected", rejected);
        figures.put("pairs_per_second", round(pairs / seconds()));
        figures.put("ndcg_at_10", quality);
        return figures;
    }

    private static Map<String, Object> each(Map<String, Mean> means) {
        Map<String, Object> figures = new LinkedHashMap<>();
        means.forEach((key, mean) -> figures.put(key, mean.figures()));
        return figures;
    }

    void print(DemoPrinter printer) {
        List<String[]> rows = new ArrayList<>();
        rows.add(new String[] {"", "before", "after", "lists"});
        if (all.lists > 0) {
            rows.add(all.row("all"));
            byMode.forEach((mode, mean) -> rows.add(mean.row(mode)));
            byGroup.forEach((group, mean) -> rows.add(mean.row(group)));
        }
        printer.table("mean nDCG@10", rows);
        List<Long> sorted = micros.stream().sorted().toList();
        printer.table(
                "%d lists, %d pairs in %.1f s: %.1f pairs/s".formatted(lists, pairs, seconds(), pairs / seconds()),
                List.of(
                        new String[] {"latency of a list", "p50", "p99"},
                        new String[] {"all lists sent at once", millis(sorted, 0.5), millis(sorted, 0.99)}));
        if (!rejected.isEmpty()) {
            printer.table(new Rejections(rejected, candidates).summary(), List.of());
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
