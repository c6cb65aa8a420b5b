package io.lychee.rerank.scoring;

import java.time.Duration;

/** Bounds an engine, for all of its callers; conf/rerank.properties documents the keys. */
public record EngineSettings(
        int passTokens, // pass.max-tokens
        Duration passTimeout, // pass.timeout
        int maxPairTokens, // pair.max-tokens
        int trainedPairTokens, // pair.trained-tokens
        int encodeThreads, // encode.threads; also how many may hang
        Duration encodeTimeout, // image.decode-timeout, of any text or image
        long encodeBytes, // encode.max-bytes
        int imageBytes, // image.max-bytes, reserved for an image to be fetched
        int fetches, // fetch.max-connections
        double backfillMinShare, // backfill.min-share
        int scores, // cache.scores.max-entries
        Duration scoresExpire) {} // cache.scores.expire-after
