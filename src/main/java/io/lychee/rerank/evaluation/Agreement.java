package io.lychee.rerank.evaluation;

import io.lychee.rerank.config.ConfigException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.DoubleStream;
import org.jspecify.annotations.Nullable;

/**
 * Agreement of the scores in two answer files. Ranks follow the scores, not rules or {@code top_n}.
 *
 * @param lists in both files
 * @param candidates in both files, with a score in both
 * @param tau Kendall's, over the lists with a pair that is tied in neither file
 * @param overlap share of the top 10 in both, over the lists with more than 10 candidates; ties are no difference
 * @param changed lists whose top 10 changed
 * @param ties lists whose top 10 differs by ties at the tenth place alone
 * @param exchanged lists by the number of candidates exchanged in the top 10, from 0 to 10
 * @param unscored candidates in both files that lack a score in at least one
 * @param repeated candidate ids that repeat within their list, left out
 * @param quality the base as before, the other as after, over the lists judged alike in both; null without any
 */
public record Agreement(
        int lists,
        int candidates,
        Errors error,
        Mean tau,
        Mean overlap,
        int changed,
        int ties,
        List<Integer> exchanged,
        Alone base,
        Alone compared,
        int unscored,
        int repeated,
        @Nullable Comparison quality) {

    /** Places at the top that are compared. */
    public static final int TOP = 10;

    private static final int NAMED = 5;

    /** Absolute differences of scores; {@code counts} has those of 0, below 1e-5, and so on by decade, from 0.1. */
    public record Errors(double mean, double p99, double max, List<Integer> counts) {

        static final List<String> BINS = List.of("0", "< 1e-5", "< 1e-4", "< 0.001", "< 0.01", "< 0.1", "≥ 0.1");

        private static final double[] BOUNDS = {Double.MIN_VALUE, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1};

        static Errors of(double[] sorted) {
            int[] counts = new int[BINS.size()];
            for (double error : sorted) {
                counts[
                        (int) Arrays.stream(BOUNDS)
                                .filter(bound -> error >= bound)
                                .count()]++;
            }
            int rank = (int) Math.ceil(0.99 * sorted.length);
            return new Errors(
                    Arrays.stream(sorted).sum() / sorted.length,
                    sorted[rank - 1],
                    sorted[sorted.length - 1],
                    list(counts));
        }
    }

    /** Mean over lists; null over none. */
    public record Mean(int lists, @Nullable Double mean) {

        static Mean of(DoubleStream values) {
            double[] all = values.toArray();
            return new Mean(
                    all.length, all.length == 0 ? null : Arrays.stream(all).sum() / all.length);
        }
    }

    /** Ids in one file alone, the first few of each; candidates are of lists in both, as {@code list/candidate}. */
    public record Alone(int lists, List<String> firstLists, int candidates, List<String> firstCandidates) {

        static Alone of(List<String> lists, List<String> candidates) {
            return new Alone(lists.size(), first(lists), candidates.size(), first(candidates));
        }

        private static List<String> first(List<String> ids) {
            return ids.stream().limit(NAMED).toList();
        }
    }

    /** @throws ConfigException when the files share no list, or no candidate with a score in both */
    public static Agreement of(AnswerFile base, AnswerFile compared, Measures measures, Bootstrap bootstrap) {
        Map<String, JudgedQuery> others = new LinkedHashMap<>();
        compared.queries().forEach(query -> others.put(query.id(), query));
        List<String> baseLists = new ArrayList<>();
        List<String> baseCandidates = new ArrayList<>();
        List<String> comparedCandidates = new ArrayList<>();
        List<MatchedList> matched = new ArrayList<>();
        List<JudgedQuery> judged = new ArrayList<>();
        for (JudgedQuery query : base.queries()) {
            JudgedQuery other = others.remove(query.id());
            if (other == null) {
                baseLists.add(query.id());
                continue;
            }
            MatchedList list = MatchedList.of(query, other);
            matched.add(list);
            list.onlyBase().forEach(id -> baseCandidates.add(query.id() + "/" + id));
            list.onlyCompared().forEach(id -> comparedCandidates.add(query.id() + "/" + id));
            List<Integer> grades = sorted(query.judged());
            if (!grades.isEmpty() && grades.equals(sorted(other.judged())) && list.repeated() == 0) {
                judged.add(new JudgedQuery(query.id(), Map.of(), query.after(), other.after(), grades));
            }
        }
        if (matched.isEmpty()) {
            throw new ConfigException("the two answer files have no list in common (here %s, there %s, for example)"
                    .formatted(baseLists.get(0), others.keySet().iterator().next()));
        }
        List<ListAgreement> lists = matched.stream()
                .filter(list -> !list.base().isEmpty())
                .map(list -> ListAgreement.of(list.base(), list.compared()))
                .toList();
        if (lists.isEmpty()) {
            throw new ConfigException("the two answer files have no candidate with a score in both");
        }
        double[] errors = lists.stream()
                .flatMap(list -> list.errors().stream())
                .mapToDouble(error -> error)
                .sorted()
                .toArray();
        int[] exchanged = new int[TOP + 1];
        lists.forEach(list -> exchanged[list.exchanged()]++);
        return new Agreement(
                matched.size(),
                errors.length,
                Errors.of(errors),
                Mean.of(lists.stream()
                        .map(ListAgreement::tau)
                        .filter(Objects::nonNull)
                        .mapToDouble(tau -> tau)),
                Mean.of(lists.stream()
                        .filter(list -> list.errors().size() > TOP)
                        .mapToDouble(list -> 1 - (double) list.exchanged() / TOP)),
                lists.size() - exchanged[0],
                (int) lists.stream().filter(ListAgreement::tiesOnly).count(),
                list(exchanged),
                Alone.of(baseLists, baseCandidates),
                Alone.of(List.copyOf(others.keySet()), comparedCandidates),
                matched.stream().mapToInt(MatchedList::unscored).sum(),
                matched.stream().mapToInt(MatchedList::repeated).sum(),
                judged.isEmpty() ? null : Comparison.of(judged, measures, bootstrap));
    }

    private static List<Integer> list(int[] counts) {
        return Arrays.stream(counts).boxed().toList();
    }

    private static List<Integer> sorted(List<Integer> grades) {
        return grades.stream().sorted().toList();
    }
}
