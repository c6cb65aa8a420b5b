package io.lychee.rerank.config;

/** Fate of a process whose device has failed. */
public enum OnDeath {
    FAIL,
    EXIT
}
