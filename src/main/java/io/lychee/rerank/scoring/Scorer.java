package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.ModelInfo;

/** The network on one device. Called by one thread at a time. */
public interface Scorer extends AutoCloseable {

    /**
     * Scores every candidate of the pass.
     *
     * @return one relevance in [0, 1] for each candidate, in the order of the groups and of the candidates in them
     * @throws DeviceMemoryException when the pass doesn't fit; this scorer can go on
     * @throws ScoringException when the device or the network fails: a fault, after which this scorer is not used again
     */
    float[] score(Pass pass);

    ModelInfo model();

    /** Where it runs, as PyTorch writes it: cpu, cuda:0. */
    String device();

    @Override
    void close();
}
