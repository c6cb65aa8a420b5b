package io.lychee.rerank.config;

/** The job can't start as it is set up; the message says what was found, what was expected and which key changes it. */
public final class ConfigException extends RuntimeException {

    public ConfigException(String message) {
        super(message);
    }

    public ConfigException(String message, Throwable cause) {
        super(message, cause);
    }
}
