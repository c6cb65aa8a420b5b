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
 */
public record EngineStats(
        int listsInFlight, long encodedBytes, long answered, long passes, long pairs, long tokens, long busyNanos) {}
