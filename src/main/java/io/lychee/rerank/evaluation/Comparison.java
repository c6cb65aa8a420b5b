package io.lychee.rerank.evaluation;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Averages over queries, by trec_eval's names, also its counts {@code num_q}, {@code num_ret}, {@code num_rel} and
 * {@code num_rel_ret}.
 *
 * @param before and {@code gain}: null where only one ranking was looked at
 */
public record Comparison(
        int queries,
        @Nullable Map<String, Number> before,
        Map<String, Number> after,
        @Nullable Map<String, PairedDifference> gain) {

    /** @throws NullPointerException where only one ranking was looked at */
    public double was(String measure) {
        return Objects.requireNonNull(Objects.requireNonNull(before).get(measure))
                .doubleValue();
    }

    public double is(String measure) {
        return Objects.requireNonNull(after.get(measure)).doubleValue();
    }

    /** @throws NullPointerException where only one ranking was looked at */
    public PairedDifference gain(String measure) {
        return Objects.requireNonNull(Objects.requireNonNull(gain).get(measure));
    }

    public static Comparison of(List<JudgedQuery> queries, Measures measures, Bootstrap bootstrap) {
        List<double[]> before = new ArrayList<>();
        List<double[]> after = new ArrayList<>();
        List<double[]> differences = new ArrayList<>();
        for (JudgedQuery query : queries) {
            double[] is = measures.of(query.after(), query.judged());
            after.add(is);
            if (query.before() != null) {
                double[] was = measures.of(query.before(), query.judged());
                before.add(was);
                double[] difference = is.clone();
                for (int m = 0; m < is.length; m++) {
                    difference[m] -= was[m];
                }
                differences.add(difference);
            }
        }
        List<List<RankedDocument>> rankings =
                queries.stream().map(JudgedQuery::after).toList();
        Map<String, Number> afterMeans = means(queries, rankings, after, measures);
        if (before.size() < queries.size()) {
            return new Comparison(queries.size(), null, afterMeans, null);
        }
        List<List<RankedDocument>> were = queries.stream()
                .map(query -> Objects.requireNonNull(query.before()))
                .toList();
        Map<String, PairedDifference> gains = new LinkedHashMap<>();
        List<PairedDifference> each =
                bootstrap.gains(differences, measures.names().size());
        for (int m = 0; m < each.size(); m++) {
            gains.put(measures.names().get(m), each.get(m));
        }
        return new Comparison(queries.size(), means(queries, were, before, measures), afterMeans, gains);
    }

    /** For each value of a list attribute, in alphabetical order; lists without it are left out. */
    public static Map<String, Comparison> by(
            String attribute, List<JudgedQuery> queries, Measures measures, Bootstrap bootstrap) {
        Map<String, List<JudgedQuery>> groups = new TreeMap<>();
        for (JudgedQuery query : queries) {
            String value = query.attributes().get(attribute);
            if (value != null) {
                groups.computeIfAbsent(value, v -> new ArrayList<>()).add(query);
            }
        }
        Map<String, Comparison> by = new LinkedHashMap<>();
        groups.forEach((value, group) -> by.put(value, of(group, measures, bootstrap)));
        return by;
    }

    private static Map<String, Number> means(
            List<JudgedQuery> queries, List<List<RankedDocument>> rankings, List<double[]> values, Measures measures) {
        Map<String, Number> means = new LinkedHashMap<>();
        List<String> names = measures.names();
        for (int m = 0; m < names.size(); m++) {
            double sum = 0;
            for (double[] row : values) {
                sum += row[m];
            }
            means.put(names.get(m), sum / values.size());
        }
        means.put("num_q", queries.size());
        means.put("num_ret", rankings.stream().mapToLong(List::size).sum());
        means.put(
                "num_rel",
                queries.stream()
                        .mapToLong(query -> measures.relevant(query.judged()))
                        .sum());
        means.put(
                "num_rel_ret",
                rankings.stream()
                        .flatMap(List::stream)
                        .filter(measures::relevant)
                        .count());
        return means;
    }
}
