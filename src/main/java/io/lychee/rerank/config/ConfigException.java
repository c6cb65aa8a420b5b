package io.lychee.rerank.config;

import org.jspecify.annotations.Nullable;

/** Refuses a configuration; the message names what was found, what was expected and the key that changes it. */
public final class ConfigException extends RuntimeException {

    public ConfigException(String message) {
        super(message);
    }

    public ConfigException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
