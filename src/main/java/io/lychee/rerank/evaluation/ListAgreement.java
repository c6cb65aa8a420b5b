package io.lychee.rerank.evaluation;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Agreement of two scorings of the same candidates.
 *
 * @param errors absolute differences of the scores, by candidate
 * @param tau Kendall's, in [-1, 1], over the pairs tied in neither scoring; null without such a pair
 * @param exchanged candidates that leave the top 10 however ties at its last place are broken
 * @param tiesOnly the two top 10 differ, by candidates that tie at the last place alone
 */
record ListAgreement(List<Double> errors, @Nullable Double tau, int exchanged, boolean tiesOnly) {

    /** Compares scores by candidate; both hold the same candidates, at least one, each in its ranking's order. */
    static ListAgreement of(Map<String, Double> base, Map<String, Double> compared) {
        double[] first = base.values().stream().mapToDouble(score -> score).toArray();
        double[] second = base.keySet().stream()
                .mapToDouble(id -> Objects.requireNonNull(compared.get(id)))
                .toArray();
        List<Double> errors = IntStream.range(0, first.length)
                .mapToObj(i -> Math.abs(second[i] - first[i]))
                .toList();
        int exchanged = exchanged(first, second);
        boolean tiesOnly = exchanged == 0 && !top(base).equals(top(compared));
        return new ListAgreement(errors, tau(first, second), exchanged, tiesOnly);
    }

    private static @Nullable Double tau(double[] first, double[] second) {
        long pairs = 0;
        long sum = 0;
        for (int i = 0; i < first.length; i++) {
            for (int j = 0; j < i; j++) {
                int sign = order(first[i], first[j]) * order(second[i], second[j]);
                pairs += Math.abs(sign);
                sum += sign;
            }
        }
        return pairs == 0 ? null : (double) sum / pairs;
    }

    private static Set<String> top(Map<String, Double> scores) {
        return scores.entrySet().stream()
                .sorted(Map.Entry.comparingByValue(Comparator.reverseOrder()))
                .limit(Agreement.TOP)
                .map(Map.Entry::getKey)
                .collect(Collectors.toSet());
    }

    /** Counts those that no choice among the tied at the last place keeps in both. */
    private static int exchanged(double[] first, double[] second) {
        int places = Math.min(Agreement.TOP, first.length);
        double firstLast = last(first, places);
        double secondLast = last(second, places);
        // against the last place's score in each: 0 below, 1 tied, 2 above
        int[][] counts = new int[3][3];
        for (int i = 0; i < first.length; i++) {
            counts[1 + order(first[i], firstLast)][1 + order(second[i], secondLast)]++;
        }
        int firstFree = places - Arrays.stream(counts[2]).sum();
        int secondFree = places - counts[0][2] - counts[1][2] - counts[2][2];
        int tiedInFirst = Math.min(firstFree, counts[1][2]);
        int tiedInSecond = Math.min(secondFree, counts[2][1]);
        int tiedInBoth = Math.min(counts[1][1], Math.min(firstFree - tiedInFirst, secondFree - tiedInSecond));
        return places - counts[2][2] - tiedInFirst - tiedInSecond - tiedInBoth;
    }

    private static double last(double[] scores, int places) {
        return Arrays.stream(scores)
                .sorted()
                .skip(scores.length - places)
                .findFirst()
                .orElseThrow();
    }

    private static int order(double one, double other) {
        return (int) Math.signum(one - other);
    }
}
