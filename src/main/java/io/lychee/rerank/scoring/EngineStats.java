package io.lychee.rerank.scoring;

/**
 * What an engine holds and has done.
 *
 * @param listsInFlight lists taken and not answered
 * @param encodedBytes encoded work that waits for the device
 * @param passes passes scored since the start, likewise the following
 * @param pairs candidates scored
 * @param tokens tokens the language model saw
 * @param busyNanos time the device worked
 */
public record EngineStats(int listsInFlight, long encodedBytes, long passes, long pairs, long tokens, long busyNanos) {

    EngineStats plus(long passPairs, long passTokens, long passNanos) {
        return new EngineStats(
                listsInFlight, encodedBytes, passes + 1, pairs + passPairs, tokens + passTokens, busyNanos + passNanos);
    }
}
