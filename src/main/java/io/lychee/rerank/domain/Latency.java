package io.lychee.rerank.domain;

/**
 * Latency of a list by stage, in microseconds; the four stages add up to the total.
 *
 * @param source from the record's timestamp until it was read
 * @param encode until the first candidate was ready for the device
 * @param queue waiting: the rest
 * @param score sum of the passes that held its candidates
 */
public record Latency(long source, long encode, long queue, long score) {

    public long total() {
        return source + encode + queue + score;
    }
}
