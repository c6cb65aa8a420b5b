package io.lychee.rerank.engine;

import io.lychee.rerank.scoring.EngineRegistry;

/** Keys of engines, for tests that put one of their own in the place of another. */
public final class EngineKeys {

    private EngineKeys() {}

    public static EngineRegistry.Key of(QwenEngineFactory engines) {
        return engines.key();
    }
}
