package io.lychee.rerank.evaluation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Judges scores against relevance, over all scored candidates of all lists: how well relevant and irrelevant ones are
 * told apart, whether a score of 0.8 is right in 80 % of all cases, and which thresholds follow. What has no score has
 * no say.
 */
public final class Calibration {

    /** People see three decimals, so thresholds have three. */
    static final int STEPS = 1000;

    static final int BINS = 10;

    private static final double KEPT_RECALL = 0.95;
    private static final double BOOST_PRECISION = 0.90;

    /**
     * A cut through the scores.
     *
     * @param precision of the candidates at or above it
     * @param recall of the candidates at or above it
     * @param kept candidates at or above it
     */
    public record Threshold(double score, double precision, double recall, long kept) {}

    /** Some of the scores: their mean, and the share that is relevant. */
    record Bin(long count, double score, double relevant) {}

    private final long[] relevant = new long[STEPS + 1];
    private final long[] irrelevant = new long[STEPS + 1];
    private final double[] sums = new double[BINS];
    private final List<Threshold> cuts = new ArrayList<>();
    private long pairs;

    private Calibration() {}

    public static Calibration of(List<JudgedQuery> queries, Measures measures) {
        Calibration scores = new Calibration();
        for (JudgedQuery query : queries) {
            for (RankedDocument place : query.after()) {
                if (place.score() != null && place.score() >= 0 && place.score() <= 1) {
                    scores.add(place.score(), measures.relevant(place));
                }
            }
        }
        scores.cut();
        return scores;
    }

    private void add(double score, boolean isRelevant) {
        // 0.57 as a double is a little less than 570 thousandths
        int step = (int) Math.floor(score * STEPS + 1e-9);
        (isRelevant ? relevant : irrelevant)[step]++;
        sums[bin(step)] += score;
        pairs++;
    }

    private static int bin(int step) {
        return Math.min(BINS - 1, step * BINS / STEPS);
    }

    private void cut() {
        long all = countRelevant();
        long hits = 0;
        long kept = 0;
        for (int step = STEPS; step >= 0; step--) {
            hits += relevant[step];
            kept += relevant[step] + irrelevant[step];
            cuts.add(
                    0,
                    new Threshold(
                            (double) step / STEPS,
                            kept == 0 ? 1 : (double) hits / kept,
                            all == 0 ? 0 : (double) hits / all,
                            kept));
        }
    }

    public long pairs() {
        return pairs;
    }

    long countRelevant() {
        return Arrays.stream(relevant).sum();
    }

    /** For each thousandth from 0 to 1. */
    List<Threshold> cuts() {
        return cuts;
    }

    /** The highest below which one may drop and still keep 95 % of what is relevant; null where nothing is. */
    public @Nullable Threshold drop() {
        return cuts.stream()
                .filter(cut -> cut.recall() >= KEPT_RECALL)
                .reduce((lower, higher) -> higher)
                .orElse(null);
    }

    /**
     * The lowest from which on 90 % are relevant; null where no score is so sure, or {@link #drop} leaves no others,
     * since a boost for everything that is not dropped would change nothing.
     */
    public @Nullable Threshold boost() {
        Threshold drop = drop();
        return cuts.stream()
                .filter(cut -> cut.kept() > 0 && cut.precision() >= BOOST_PRECISION)
                .findFirst()
                .filter(boost -> drop == null || boost.score() > drop.score())
                .orElse(null);
    }

    /** The suggestions as the job's {@code rules} take them; empty where there are none. */
    public String rules() {
        Threshold drop = drop();
        Threshold boost = boost();
        List<String> rules = new ArrayList<>();
        if (drop != null && drop.score() > 0) {
            rules.add("weak: score < %.3f -> drop".formatted(drop.score()));
        }
        if (boost != null) {
            rules.add("strong: score >= %.3f -> boost 0.1".formatted(boost.score()));
        }
        return rules.isEmpty() ? "" : "rules=" + String.join("; ", rules);
    }

    /** Tenths of the scale; scores of 1 are in the last. */
    List<Bin> bins() {
        List<Bin> bins = new ArrayList<>();
        long[] hits = histogram(relevant, BINS);
        long[] misses = histogram(irrelevant, BINS);
        for (int b = 0; b < BINS; b++) {
            long count = hits[b] + misses[b];
            bins.add(new Bin(count, count == 0 ? 0 : sums[b] / count, count == 0 ? 0 : (double) hits[b] / count));
        }
        return bins;
    }

    long[] histogram(boolean ofRelevant, int bars) {
        return histogram(ofRelevant ? relevant : irrelevant, bars);
    }

    private static long[] histogram(long[] steps, int bars) {
        long[] counts = new long[bars];
        for (int step = 0; step <= STEPS; step++) {
            counts[Math.min(bars - 1, step * bars / STEPS)] += steps[step];
        }
        return counts;
    }

    /** Expected calibration error: by how much score and share of relevant ones differ, on average over the pairs. */
    public double calibrationError() {
        double sum = 0;
        for (Bin bin : bins()) {
            sum += bin.count() * Math.abs(bin.score() - bin.relevant());
        }
        return pairs == 0 ? 0 : sum / pairs;
    }
}
