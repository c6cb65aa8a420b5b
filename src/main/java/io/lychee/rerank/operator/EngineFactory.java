package io.lychee.rerank.operator;

import io.lychee.rerank.scoring.Engines;
import java.io.Serializable;

/** Leases the engine of the JVM it runs in; travels to the task managers with the function. */
@FunctionalInterface
public interface EngineFactory extends Serializable {

    /** Blocks while the network loads, unless it is loaded already. */
    Engines.Lease lease();
}
