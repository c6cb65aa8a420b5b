package io.lychee.rerank.scoring;

import java.time.Instant;

/** The only clock of the scoring core, so that tests can turn it by hand. */
public interface Ticker {

    /** Returns nanoseconds from an arbitrary origin; never goes back. */
    long nanos();

    /** Returns wall-clock time. */
    Instant now();

    /** Returns the machine's clocks. */
    static Ticker system() {
        return new Ticker() {
            @Override
            public long nanos() {
                return System.nanoTime();
            }

            @Override
            public Instant now() {
                return Instant.now();
            }
        };
    }
}
