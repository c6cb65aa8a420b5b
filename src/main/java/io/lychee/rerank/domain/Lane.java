package io.lychee.rerank.domain;

/** Priority of a list; realtime goes before backfill. */
public enum Lane {
    REALTIME,
    BACKFILL
}
