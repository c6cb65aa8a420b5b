package io.lychee.rerank.scoring;

import java.time.Duration;

/**
 * Bounds an engine, for all of its callers.
 *
 * @param passTokens tokens of one pass ({@code pass.max-tokens})
 * @param passTimeout a longer pass means a hanging device ({@code pass.timeout})
 * @param maxPairTokens a longer pair is rejected ({@code pair.max-tokens})
 * @param trainedPairTokens a longer pair is remarked upon ({@code pair.trained-tokens})
 * @param encodeThreads CPU threads that encode, and how many may hang ({@code encode.threads})
 * @param encodeTimeout a candidate or query that takes longer to encode is rejected ({@code image.decode-timeout})
 * @param encodeBytes images to encode, and encoded work that waits for the device ({@code encode.max-bytes})
 * @param imageBytes reserved for an image to be fetched ({@code image.max-bytes})
 * @param fetches images by reference that are fetched, or wait to be decoded, at a time ({@code fetch.max-connections})
 * @param backfillMinShare of the device's time while realtime has work too ({@code backfill.min-share})
 * @param scores pairs whose score is kept ({@code cache.scores.max-entries})
 * @param scoresExpire how long ({@code cache.scores.expire-after})
 */
public record EngineSettings(
        int passTokens,
        Duration passTimeout,
        int maxPairTokens,
        int trainedPairTokens,
        int encodeThreads,
        Duration encodeTimeout,
        long encodeBytes,
        int imageBytes,
        int fetches,
        double backfillMinShare,
        int scores,
        Duration scoresExpire) {}
