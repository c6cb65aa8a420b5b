package io.lychee.rerank.scoring;

/** Holds a pass that a {@link Scorer} has started. Awaited by one thread, not always the one that started it. */
@FunctionalInterface
public interface PassHandle {

    /**
     * Waits for the scores; called once.
     *
     * @return one logit for each candidate, "yes" less "no", in the order of the groups and of the candidates in them;
     *     NaN where the network comes to no number
     * @throws ScoringException when the device or the network fails: a fault, after which the scorer is not used again
     */
    float[] await();

    /** Counts, for each group of the pass, the images that needed no vision tower; empty for a scorer without one. */
    default int[] imageHits() {
        return new int[0];
    }
}
