package io.lychee.rerank.evaluation;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Candidates of one list in two answer files, matched by id.
 *
 * @param base scores by candidate, in the base's order; only those with a score in both files
 * @param compared scores of the same candidates in the other file, in its order
 * @param onlyBase and {@code onlyCompared}: ids in one file alone
 * @param unscored candidates in both files that lack a score in at least one
 * @param repeated ids that a file holds more than once in this list, left out because their match is ambiguous
 */
record MatchedList(
        Map<String, Double> base,
        Map<String, Double> compared,
        List<String> onlyBase,
        List<String> onlyCompared,
        int unscored,
        int repeated) {

    static MatchedList of(JudgedQuery base, JudgedQuery compared) {
        Set<String> repeated = new HashSet<>();
        Map<String, @Nullable Double> first = scores(base.after(), repeated);
        Map<String, @Nullable Double> second = scores(compared.after(), repeated);
        first.keySet().removeAll(repeated);
        second.keySet().removeAll(repeated);
        List<String> onlyBase = missing(first, second);
        List<String> onlyCompared = missing(second, first);
        int matched = first.size() - onlyBase.size();
        Map<String, Double> baseScores = scoredInBoth(first, second);
        return new MatchedList(
                baseScores,
                scoredInBoth(second, first),
                onlyBase,
                onlyCompared,
                matched - baseScores.size(),
                repeated.size());
    }

    private static Map<String, @Nullable Double> scores(List<RankedDocument> ranking, Set<String> repeated) {
        Map<String, @Nullable Double> scores = new LinkedHashMap<>();
        for (RankedDocument candidate : ranking) {
            if (scores.containsKey(candidate.id())) {
                repeated.add(candidate.id());
            }
            scores.put(candidate.id(), candidate.score());
        }
        return scores;
    }

    private static List<String> missing(Map<String, @Nullable Double> scores, Map<String, @Nullable Double> other) {
        return scores.keySet().stream().filter(id -> !other.containsKey(id)).toList();
    }

    private static Map<String, Double> scoredInBoth(
            Map<String, @Nullable Double> scores, Map<String, @Nullable Double> other) {
        Map<String, Double> both = new LinkedHashMap<>();
        scores.forEach((id, score) -> {
            if (score != null && other.get(id) != null) {
                both.put(id, score);
            }
        });
        return both;
    }
}
