package io.lychee.rerank.evaluation;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Function;
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
        List<double[]> after = values(queries, JudgedQuery::after, measures);
        Map<String, Number> afterMeans = means(queries, JudgedQuery::after, after, measures);
        if (queries.stream().anyMatch(query -> query.before() == null)) {
            return new Comparison(queries.size(), null, afterMeans, null);
        }
        Function<JudgedQuery, List<RankedDocument>> earlier = query -> Objects.requireNonNull(query.before());
        List<double[]> before = values(queries, earlier, measures);
        List<double[]> differences = new ArrayList<>();
        for (int q = 0; q < queries.size(); q++) {
            double[] difference = after.get(q).clone();
            for (int m = 0; m < difference.length; m++) {
                difference[m] -= before.get(q)[m];
            }
            differences.add(difference);
        }
        List<String> names = measures.names();
        List<PairedDifference> each = bootstrap.gains(differences, names.size());
        Map<String, PairedDifference> gains = new LinkedHashMap<>();
        for (int m = 0; m < names.size(); m++) {
            gains.put(names.get(m), each.get(m));
        }
        return new Comparison(queries.size(), means(queries, earlier, before, measures), afterMeans, gains);
    }

    private static List<double[]> values(
            List<JudgedQuery> queries, Function<JudgedQuery, List<RankedDocument>> ranking, Measures measures) {
        return queries.stream()
                .map(query -> measures.of(ranking.apply(query), query.judged()))
                .toList();
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
            List<JudgedQuery> queries,
            Function<JudgedQuery, List<RankedDocument>> ranking,
            List<double[]> values,
            Measures measures) {
        List<RankedDocument> places =
                queries.stream().map(ranking).flatMap(List::stream).toList();
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
        means.put("num_ret", places.size());
        means.put(
                "num_rel",
                queries.stream()
                        .mapToLong(query -> measures.relevant(query.judged()))
                        .sum());
        means.put("num_rel_ret", places.stream().filter(measures::relevant).count());
        return means;
    }
}
