package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.ModelInfo;
import java.util.Set;

/** Forwards to another scorer. Every pass goes through {@link #start}. */
public interface ForwardingScorer extends Scorer {

    /** Returns the one that scores, and is closed with this. */
    Scorer scorer();

    @Override
    default PassHandle start(Pass pass) {
        return scorer().start(pass);
    }

    @Override
    default boolean isAsynchronous() {
        return scorer().isAsynchronous();
    }

    @Override
    default int passTokens() {
        return scorer().passTokens();
    }

    @Override
    default Set<Fallback> fallbacks() {
        return scorer().fallbacks();
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
