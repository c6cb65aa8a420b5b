package io.lychee.rerank.config;

import java.util.Locale;

/** Guarantee for answers after a failure. */
public enum Delivery {
    AT_LEAST_ONCE,
    EXACTLY_ONCE;

    /** As in a configuration file. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
