package io.lychee.rerank.scoring;

/** Reports a pass that did not fit the device's memory. A smaller one may fit. */
public final class DeviceMemoryException extends RuntimeException {

    public DeviceMemoryException(String message, Throwable cause) {
        super(message, cause);
    }
}
