package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.ModelInfo;

/** A scorer that stands before another. Every pass goes through {@link #start}. */
public interface ForwardingScorer extends Scorer {

    /** The one that scores, and is closed with this. */
    Scorer scorer();

    @Override
    default float[] score(Pass pass) {
        return start(pass).await();
    }

    @Override
    default Started start(Pass pass) {
        return scorer().start(pass);
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
