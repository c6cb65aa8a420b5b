package io.lychee.rerank.config;

/** First offsets of a job without a checkpoint. */
public enum StartingOffsets {
    COMMITTED,
    EARLIEST,
    LATEST
}
