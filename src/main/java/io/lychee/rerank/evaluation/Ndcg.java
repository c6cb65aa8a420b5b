package io.lychee.rerank.evaluation;

import java.util.Comparator;
import java.util.List;

/** Normalised discounted cumulative gain as trec_eval's {@code ndcg_cut}: the gain is the relevance itself. */
public final class Ndcg {

    private Ndcg() {}

    /**
     * Quality of an order.
     *
     * @param ranked relevance of what was ranked, best place first; unjudged is 0
     * @param judged relevance of everything that was judged, in any order, also what was not ranked
     * @param k how many places count
     * @return in [0, 1]; 0 when nothing is relevant
     */
    public static double at(int k, List<Integer> ranked, List<Integer> judged) {
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
