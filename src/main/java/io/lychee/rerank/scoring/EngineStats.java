package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Lane;
import java.util.Map;

/**
 * What an engine holds and has done since its start.
 *
 * @param queues what is in flight, by lane
 * @param encodedBytes encoded work that waits for the device
 * @param answered lists answered
 * @param unscored of these, lists without any score
 * @param passes passes scored
 * @param pairs candidates scored
 * @param tokens tokens the language model saw, those of images included
 * @param visionTokens of these, tokens of images
 * @param prefixTokensSaved tokens it would have seen besides, had each candidate brought its own prefix
 * @param images images of the lists and candidates in passes
 * @param imageHits of these, images that the vision tower had seen before
 * @param decodedHits images that needed no decoding because they had been decoded before
 * @param scoreHits pairs answered from the cache of scores
 * @param busyNanos time the device worked
 * @param passTokens tokens that a pass may hold now; less than configured after the device's memory didn't suffice
 * @param memoryFailures passes, and parts of passes, that did not fit the device's memory
 * @param encoded prefixes and candidates encoded
 * @param encodeNanos processor time that took
 * @param fetches images fetched by reference
 */
public record EngineStats(
        Map<Lane, Queue> queues,
        long encodedBytes,
        long answered,
        long unscored,
        long passes,
        long pairs,
        long tokens,
        long visionTokens,
        long prefixTokensSaved,
        long images,
        long imageHits,
        long decodedHits,
        long scoreHits,
        long busyNanos,
        int passTokens,
        long memoryFailures,
        long encoded,
        long encodeNanos,
        Fetches fetches) {

    /**
     * Lists in flight.
     *
     * @param pairs their candidates that are not settled yet
     * @param oldestMillis how long the oldest one has been in the engine; 0 when there is none
     */
    public record Queue(int lists, long pairs, long oldestMillis) {

        static final Queue EMPTY = new Queue(0, 0, 0);

        Queue plus(Queue other) {
            return new Queue(lists + other.lists, pairs + other.pairs, Math.max(oldestMillis, other.oldestMillis));
        }
    }

    /**
     * Images fetched by reference, tries and redirects counted as one.
     *
     * @param count ended, well or not
     * @param failures of these, those that brought no image
     * @param nanos from asking to the end, summed
     */
    public record Fetches(long count, long failures, long bytes, long nanos) {

        static final Fetches NONE = new Fetches(0, 0, 0, 0);
    }

    /** Lists of a lane in flight. */
    public Queue queue(Lane lane) {
        return queues.getOrDefault(lane, Queue.EMPTY);
    }
}
