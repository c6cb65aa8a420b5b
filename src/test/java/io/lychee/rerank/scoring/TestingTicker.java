package io.lychee.rerank.scoring;

import java.time.Instant;

/** A clock that moves only when told. */
final class TestingTicker implements Ticker {

    private long nanos;

    @Override
    public long nanos() {
        return nanos;
    }

    @Override
    public Instant now() {
        return Instant.ofEpochMilli(1_000_000 + nanos / 1_000_000);
    }

    void advanceMillis(long millis) {
        nanos += millis * 1_000_000;
    }
}
