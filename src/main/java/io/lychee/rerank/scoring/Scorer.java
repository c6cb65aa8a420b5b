package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.ModelInfo;
import java.util.Set;

/** Runs the network on one device. Passes are started by one thread at a time. */
public interface Scorer extends AutoCloseable {

    /**
     * Starts a pass. At most two are in flight, in order.
     *
     * @throws DeviceMemoryException when the pass doesn't fit; this scorer can go on
     * @throws ScoringException when the device or the network fails: a fault, after which this scorer is not used again
     */
    PassHandle start(Pass pass);

    /** Returns whether the device works beside its host; otherwise {@link #start} returns with the scores. */
    default boolean isAsynchronous() {
        return false;
    }

    /** Returns the tokens of the largest pass that is known to fit the device's memory. */
    default int passTokens() {
        return Integer.MAX_VALUE;
    }

    /** Returns what is slower than asked. Constant. */
    default Set<Fallback> fallbacks() {
        return Set.of();
    }

    ModelInfo model();

    /** Returns the device's name in PyTorch: cpu, cuda:0. */
    String device();

    @Override
    void close();
}
