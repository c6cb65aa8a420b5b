package io.lychee.rerank.scoring;

/**
 * What an engine holds and has done since its start.
 *
 * @param listsInFlight lists taken and not answered
 * @param encodedBytes encoded work that waits for the device
 * @param answered lists answered
 * @param passes passes scored
 * @param pairs candidates scored
 * @param tokens tokens the language model saw
 * @param busyNanos time the device worked
 * @param passTokens tokens that a pass may hold now; less than configured after the device's memory didn't suffice
 * @param memoryFailures passes, and parts of passes, that did not fit the device's memory
 */
public record EngineStats(
        int listsInFlight,
        long encodedBytes,
        long answered,
        long passes,
        long pairs,
        long tokens,
        long busyNanos,
        int passTokens,
        long memoryFailures) {}
