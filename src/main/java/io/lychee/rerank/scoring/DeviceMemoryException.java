package io.lychee.rerank.scoring;

/** A pass did not fit the device's memory. The device is well; a smaller pass may fit. */
public final class DeviceMemoryException extends RuntimeException {

    public DeviceMemoryException(String message, Throwable cause) {
        super(message, cause);
    }
}
