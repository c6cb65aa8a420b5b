package io.lychee.rerank.evaluation;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Computes measures of one query, by trec_eval's names. Immutable. */
public final class Measures {

    private final List<Integer> cutoffs;
    private final int level;
    private final List<String> names = new ArrayList<>();

    /**
     * Selects cutoffs and the grade of relevance.
     *
     * @param cutoffs places that count, each at least 1
     * @param level from which grade on a document is relevant, at least 1; nDCG takes grades as they are
     */
    public Measures(List<Integer> cutoffs, int level) {
        this.cutoffs = cutoffs.stream().sorted().distinct().toList();
        this.level = level;
        names.add("map");
        names.add("recip_rank");
        for (String name : new String[] {"ndcg_cut_", "recall_", "success_"}) {
            this.cutoffs.forEach(k -> names.add(name + k));
        }
    }

    /** In the order of {@link #of}. */
    public List<String> names() {
        return List.copyOf(names);
    }

    /** The one to sort and group by: nDCG at the last cutoff. */
    public String headline() {
        return "ndcg_cut_" + cutoffs.get(cutoffs.size() - 1);
    }

    boolean relevant(RankedDocument place) {
        return place.grade() >= level;
    }

    /** Relevant ones among all that were judged. */
    long relevant(List<Integer> judged) {
        return judged.stream().filter(grade -> grade >= level).count();
    }

    double headline(List<RankedDocument> ranking, List<Integer> judged) {
        return of(ranking, judged)[names.indexOf(headline())];
    }

    /** Each in [0, 1]. */
    double[] of(List<RankedDocument> ranking, List<Integer> judged) {
        List<Integer> grades = ranking.stream().map(RankedDocument::grade).toList();
        long relevant = relevant(judged);
        int[] found = new int[ranking.size() + 1];
        double precisions = 0;
        int first = 0;
        for (int i = 1; i <= ranking.size(); i++) {
            boolean hit = relevant(ranking.get(i - 1));
            found[i] = found[i - 1] + (hit ? 1 : 0);
            precisions += hit ? (double) found[i] / i : 0;
            first = hit && first == 0 ? i : first;
        }
        double[] values = new double[names.size()];
        int count = cutoffs.size();
        values[0] = first == 0 ? 0 : precisions / relevant;
        values[1] = first == 0 ? 0 : 1.0 / first;
        for (int c = 0; c < count; c++) {
            int k = cutoffs.get(c);
            int hits = found[Math.min(k, ranking.size())];
            values[2 + c] = ndcg(k, grades, judged);
            values[2 + count + c] = relevant == 0 ? 0 : (double) hits / relevant;
            values[2 + 2 * count + c] = hits > 0 ? 1 : 0;
        }
        return values;
    }

    /**
     * Computes normalised discounted cumulative gain as trec_eval's {@code ndcg_cut}: the gain is the grade.
     *
     * @param ranked grades in ranked order; 0 where there is no judgement
     * @param judged grades of all judged documents, in any order
     * @param k places that count
     * @return in [0, 1]; 0 when nothing is relevant
     */
    public static double ndcg(int k, List<Integer> ranked, List<Integer> judged) {
        double ideal = dcg(k, judged.stream().sorted(Comparator.reverseOrder()).toList());
        return ideal == 0 ? 0 : dcg(k, ranked) / ideal;
    }

    private static double dcg(int k, List<Integer> relevances) {
        double sum = 0;
        for (int i = 0; i < Math.min(k, relevances.size()); i++) {
            sum += Math.max(0, relevances.get(i)) / (Math.log(i + 2) / Math.log(2));
        }
        return sum;
    }
}
