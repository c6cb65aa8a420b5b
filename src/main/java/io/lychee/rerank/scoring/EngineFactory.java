package io.lychee.rerank.scoring;

import java.io.Serializable;
import java.util.List;

/** Leases the engines of the JVM it runs in; serialized to the task managers with the function. */
@FunctionalInterface
public interface EngineFactory extends Serializable {

    /**
     * Leases engines; blocks while the network loads, unless it is loaded already.
     *
     * @param gpus numbers of the GPUs that Flink gives this process; empty where it gives none
     */
    EngineRegistry.Lease lease(List<Integer> gpus);

    /** Leases engines where no Flink cluster hands out GPUs. */
    default EngineRegistry.Lease lease() {
        return lease(List.of());
    }
}
