package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Lane;

/**
 * When and where a list came in.
 *
 * @param timestampMs the record's, epoch milliseconds; one that is negative (missing) or lies after the reading counts
 *     as the time of reading
 * @param readAtMs when the source read it, epoch milliseconds
 */
public record Arrival(Lane lane, long timestampMs, long readAtMs) {

    public Arrival {
        if (timestampMs < 0 || timestampMs > readAtMs) {
            timestampMs = readAtMs;
        }
    }
}
