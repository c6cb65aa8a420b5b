package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Lane;

/**
 * Holds when and where a list came in.
 *
 * @param timestampMs the record's, epoch milliseconds; the time of reading replaces a negative (missing) or later one
 * @param readAtMs when the source read it, epoch milliseconds
 * @param timeoutMs for a list without its own, from the timestamp on; 0 means none
 */
public record Arrival(Lane lane, long timestampMs, long readAtMs, long timeoutMs) {

    public Arrival {
        if (timestampMs < 0 || timestampMs > readAtMs) {
            timestampMs = readAtMs;
        }
    }
}
