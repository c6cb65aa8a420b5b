package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.ModelInfo;

/**
 * A scorer that stands before another. {@link #start} goes through {@link #score}, so that one place sees each pass.
 */
public interface ForwardingScorer extends Scorer {

    /** The one that scores, and is closed with this. */
    Scorer scorer();

    @Override
    default float[] score(Pass pass) {
        return scorer().score(pass);
    }

    @Override
    default int passTokens() {
        return scorer().passTokens();
    }

    @Override
    default ModelInfo model() {
        return scorer().model();
    }

    @Override
    default String device() {
        return scorer().device();
    }

    @Override
    default void close() {
        scorer().close();
    }
}
