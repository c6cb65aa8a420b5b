package io.lychee.rerank.config;

/** Task managers that may run the operators. */
public enum Placement {
    ANY,
    GPU
}
