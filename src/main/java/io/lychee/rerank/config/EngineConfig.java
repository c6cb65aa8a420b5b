package io.lychee.rerank.config;

import java.io.Serializable;
import java.time.Duration;

/** Sizes forward passes and encoding. */
public record EngineConfig(
        @Key(name = "pass.max-tokens", byDefault = "8192", min = "64")
        int passTokens,

        @Key(name = "pass.timeout", byDefault = "1 min") Duration passTimeout,

        @Key(name = ConfigKeys.ON_DEATH, byDefault = "fail") OnDeath onDeath,

        @Key(name = "encode.threads", byDefault = "0", min = "0")
        int encodeThreads,

        @Key(name = "encode.max-bytes", byDefault = "512 mb", min = "1 mb", bytes = true)
        long encodeBytes)
        implements Serializable {

    /** Timeouts of zero mean none. */
    public record Lanes(
            @Key(name = ConfigKeys.REALTIME_TIMEOUT, byDefault = "10 s", min = "0")
            Duration realtimeTimeout,

            @Key(name = "backfill.timeout", byDefault = "0", min = "0")
            Duration backfillTimeout,

            @Key(name = "backfill.min-share", byDefault = "0.1", min = "0", max = "0.5")
            double backfillMinShare,

            @Key(name = "realtime.capacity", byDefault = "64", min = "1")
            int realtimeCapacity,

            @Key(name = "backfill.capacity", byDefault = "32", min = "1")
            int backfillCapacity)
            implements Serializable {}

    public record Caches(
            @Key(name = ConfigKeys.CACHE_VISION, byDefault = "1 gb", bytes = true)
            long visionBytes,

            @Key(name = ConfigKeys.CACHE_IMAGES, byDefault = "256 mb", max = "1 gb", bytes = true)
            int imageBytes,

            @Key(name = ConfigKeys.CACHE_SCORES, byDefault = "100000", min = "0")
            int scores,

            @Key(name = "cache.scores.expire-after", byDefault = "10 min")
            Duration scoresExpire)
            implements Serializable {}
}
