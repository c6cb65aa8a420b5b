package io.lychee.rerank.domain;

/** Which queue a list stands in; the first goes before the second. */
public enum Lane {
    REALTIME,
    BACKFILL
}
