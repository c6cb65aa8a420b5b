package io.lychee.rerank.scoring;

import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/** Counts an engine's work since its start. Thread-safe. */
public final class EngineCounters {

    public enum Counter {
        /** Lists. */
        ANSWERED,
        PASSES,
        /** Candidates scored by passes. */
        PAIRS,
        /** Tokens the language model saw, those of images included. */
        TOKENS,
        VISION_TOKENS,
        /** Tokens saved by prefix sharing. */
        PREFIX_TOKENS_SAVED,
        /** Images in passes, each as often as it occurs. */
        IMAGES,
        /** Of these, images that the vision tower had seen before. */
        IMAGE_HITS,
        /** Pairs answered from the cache of scores. */
        SCORE_HITS,
        /** Time the device worked. */
        BUSY_NANOS,
        /** Passes, and parts of passes, that did not fit the device's memory. */
        MEMORY_FAILURES,
        /** Prefixes and candidates. */
        ENCODED,
        /** Time of encoding threads that took. */
        ENCODE_NANOS
    }

    private final Map<Counter, LongAdder> counts = new EnumMap<>(Counter.class);

    EngineCounters() {
        for (Counter counter : Counter.values()) {
            counts.put(counter, new LongAdder());
        }
    }

    @SuppressWarnings("NullAway") // the map holds every counter
    void add(Counter counter, long count) {
        counts.get(counter).add(count);
    }

    @SuppressWarnings("NullAway") // the map holds every counter
    public long get(Counter counter) {
        return counts.get(counter).sum();
    }

    /** Returns the counts of now, which later work doesn't change. */
    public EngineCounters copy() {
        EngineCounters copy = new EngineCounters();
        counts.forEach((counter, count) -> copy.add(counter, count.sum()));
        return copy;
    }
}
