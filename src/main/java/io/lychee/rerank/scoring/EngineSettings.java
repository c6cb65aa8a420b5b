package io.lychee.rerank.scoring;

import java.time.Duration;

/**
 * Bounds of an engine.
 *
 * @param passTokens tokens of one pass ({@code pass.max-tokens})
 * @param passTimeout a longer pass means a hanging device ({@code pass.timeout})
 * @param maxPairTokens a longer pair is rejected ({@code pair.max-tokens})
 * @param trainedPairTokens a longer pair is remarked upon ({@code pair.trained-tokens})
 * @param encodeThreads CPU threads that encode ({@code encode.threads})
 * @param encodeBytes encoded work that may wait for the device ({@code encode.max-bytes})
 * @param fetches images by reference that are fetched, or wait to be decoded, at a time ({@code fetch.max-connections})
 * @param backfillMinShare of the device's time while realtime has work too ({@code backfill.min-share})
 * @param scores pairs whose score is kept ({@code cache.scores.max-entries})
 * @param scoresExpire how long ({@code cache.scores.expire-after})
 * @param rules applied to scores ({@code rules})
 * @param realtimeTimeoutMs for lists without their own; 0 means none ({@code realtime.timeout})
 * @param backfillTimeoutMs for lists without their own; 0 means none ({@code backfill.timeout})
 */
public record EngineSettings(
        int passTokens,
        Duration passTimeout,
        int maxPairTokens,
        int trainedPairTokens,
        int encodeThreads,
        long encodeBytes,
        int fetches,
        double backfillMinShare,
        int scores,
        Duration scoresExpire,
        Rules rules,
        long realtimeTimeoutMs,
        long backfillTimeoutMs) {}
