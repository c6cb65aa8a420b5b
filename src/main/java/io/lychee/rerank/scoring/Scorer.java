package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.ModelInfo;

/** The network on one device. Started by one thread at a time. */
public interface Scorer extends AutoCloseable {

    /**
     * Scores every candidate of the pass.
     *
     * @return one relevance in [0, 1] for each candidate, in the order of the groups and of the candidates in them; NaN
     *     where the network comes to no number
     * @throws DeviceMemoryException when the pass doesn't fit; this scorer can go on
     * @throws ScoringException when the device or the network fails: a fault, after which this scorer is not used again
     */
    float[] score(Pass pass);

    /**
     * The same without waiting for the device, where it works beside the caller. Two may be under way, in order.
     *
     * @throws DeviceMemoryException as {@link #score}
     * @throws ScoringException as {@link #score}
     */
    default Started start(Pass pass) {
        float[] scores = score(pass);
        return new Started() {
            @Override
            public boolean isRunning() {
                return false;
            }

            @Override
            public float[] await() {
                return scores;
            }
        };
    }

    /** A pass that the device has. Awaited by one thread, not always the one that started it. */
    interface Started {

        /** Whether the device works on it beside its host; otherwise the scores are there. */
        boolean isRunning();

        /**
         * What {@link Scorer#score} returns; to be called once.
         *
         * @throws ScoringException as {@link Scorer#score}
         */
        float[] await();

        /** For each group of the pass how many of its images needed no vision tower. */
        default int[] imageHits() {
            return new int[0];
        }
    }

    /** Tokens of the largest pass that is known to fit the device's memory. */
    default int passTokens() {
        return Integer.MAX_VALUE;
    }

    ModelInfo model();

    /** Where it runs, as PyTorch writes it: cpu, cuda:0. */
    String device();

    @Override
    void close();
}
