package io.lychee.rerank.config;

import java.io.Serializable;
import java.time.Duration;

/** Sizes forward passes and encoding. */
public record EngineConfig(
        @Key(name = "pass.max-tokens", byDefault = "8448", min = "64")
        @Doc("Tokens of one forward pass: the fewest that saturate the device; 8448, in tiles of 128, occupy all 132"
                + " processors of an H100 to the last. A longer pair gets its own pass.")
        int passTokens,

        @Key(name = "pass.timeout", byDefault = "1 min")
        @Doc("A longer pass means a hanging device: the process ends (exit code 70).")
        Duration passTimeout,

        @Key(name = ConfigKeys.ON_DEATH, byDefault = "fail")
        @Doc("Replays the lists of a failed device: fail with a new engine in the same process; exit ends the"
                + " process with exit code 70 first, so that Flink replays them on another task manager, the"
                + " default on a cluster. A hanging device ends the process in either case.")
        OnDeath onDeath,

        @Key(name = "encode.threads", byDefault = "0", min = "0")
        @Doc("Threads that tokenize text and decode images. 0 means one a core.")
        int encodeThreads,

        @Key(name = "encode.max-bytes", byDefault = "512 mb", min = "1 mb", bytes = true)
        @Doc("Images being fetched (image.max-bytes each until they arrive) and work encoded for the device;"
                + " fetching and encoding pause above it. A larger item runs alone.")
        long encodeBytes)
        implements Serializable {

    /** Timeouts of zero mean none. */
    public record Lanes(
            @Key(name = ConfigKeys.REALTIME_TIMEOUT, byDefault = "10 s", min = "0")
            @Doc("From a record's timestamp to its answer, for lists without a timeout of their own. 0 means none.")
            Duration realtimeTimeout,

            @Key(name = ConfigKeys.BACKFILL_TIMEOUT, byDefault = "0", min = "0")
            @Doc("The same for the backfill lane. 0 means none.")
            Duration backfillTimeout,

            @Key(name = "backfill.min-share", byDefault = "0.1", min = "0", max = "0.5")
            @Doc("Share of the device's time, over 10 seconds, that backfill keeps when realtime could use all of it; 0"
                    + " to 0.5. Backfill also gets the time that realtime leaves.")
            double backfillMinShare,

            @Key(name = "realtime.capacity", byDefault = "64", min = "1")
            @Doc("Lists in flight in a subtask of the realtime lane, part of each checkpoint; more wait in the topic.")
            int realtimeCapacity,

            @Key(name = "backfill.capacity", byDefault = "32", min = "1") @Doc("The same for the backfill lane.")
            int backfillCapacity)
            implements Serializable {}

    public record Caches(
            @Key(name = ConfigKeys.CACHE_VISION, byDefault = "1 gb", bytes = true)
            @Doc("Device memory that caches the vision tower's output, free for a repeated image. 0 disables it.")
            long visionBytes,

            @Key(name = ConfigKeys.CACHE_IMAGES, byDefault = "256 mb", max = "1 gb", bytes = true)
            @Doc("Memory that caches decoded and resized images, keyed by their bytes. 0 disables it.")
            int imageBytes,

            @Key(name = ConfigKeys.CACHE_SCORES, byDefault = "100000", min = "0")
            @Doc("Scores cached, about 200 bytes a pair. 0 disables it.")
            int scores,

            @Key(name = "cache.scores.expire-after", byDefault = "10 min") @Doc("Lifetime of a cached score.")
            Duration scoresExpire)
            implements Serializable {}
}
