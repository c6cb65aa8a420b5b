package io.lychee.rerank.evaluation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Bounds a mean of paired differences: the percentile bootstrap over queries, and a two-sided randomisation of signs.
 * The same seed gives the same numbers. Immutable.
 *
 * @param samples how often to draw
 */
public record Bootstrap(int samples, long seed) {

    private static final double OUTSIDE = 0.025;

    /** Sums of the same numbers in another order differ by less. */
    private static final double EQUAL = 1e-9;

    /** @param differences one array a query, in it after − before for each measure */
    List<PairedDifference> gains(List<double[]> differences, int measures) {
        int queries = differences.size();
        double[] observed = new double[measures];
        double[][] rows = differences.toArray(double[][]::new);
        differences.forEach(row -> add(observed, row, 1));
        double[][] resampled = new double[measures][samples];
        int[] asLarge = new int[measures];
        SplittableRandom random = new SplittableRandom(seed);
        for (int s = 0; s < samples; s++) {
            double[] drawn = new double[measures];
            double[] flipped = new double[measures];
            for (double[] row : rows) {
                add(drawn, rows[random.nextInt(queries)], 1);
                add(flipped, row, random.nextBoolean() ? 1 : -1);
            }
            for (int m = 0; m < measures; m++) {
                resampled[m][s] = drawn[m] / queries;
                asLarge[m] += Math.abs(flipped[m]) >= Math.abs(observed[m]) - EQUAL ? 1 : 0;
            }
        }
        List<PairedDifference> gains = new ArrayList<>();
        for (int m = 0; m < measures; m++) {
            Arrays.sort(resampled[m]);
            gains.add(new PairedDifference(
                    observed[m] / queries,
                    queries < 2 ? null : quantile(resampled[m], OUTSIDE),
                    queries < 2 ? null : quantile(resampled[m], 1 - OUTSIDE),
                    (asLarge[m] + 1.0) / (samples + 1.0)));
        }
        return gains;
    }

    private static void add(double[] sum, double[] row, int sign) {
        for (int m = 0; m < sum.length; m++) {
            sum[m] += sign * row[m];
        }
    }

    private static double quantile(double[] sorted, double q) {
        return sorted[(int) Math.round(q * (sorted.length - 1))];
    }
}
