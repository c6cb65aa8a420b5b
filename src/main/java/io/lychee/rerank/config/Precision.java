package io.lychee.rerank.config;

import java.util.Locale;

/** Number types of the network's weights and products. */
public enum Precision {
    /** float32 on the CPU, bfloat16 on a GPU, float16 on one that is too old for it. */
    AUTO,
    FLOAT32,
    FLOAT16,
    BFLOAT16,
    /** Most products in e4m3, 8 bits with a scale a row; the rest in bfloat16. */
    FP8;

    /** As in a configuration file. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
