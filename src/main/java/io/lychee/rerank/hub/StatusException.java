package io.lychee.rerank.hub;

import java.io.IOException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** Reports an answer of a hub that is no file. */
final class StatusException extends IOException {

    private final int status;
    private final transient @Nullable Duration retryAfter;

    /** @param where host and path, without the query, which may hold a signature */
    StatusException(int status, String where, @Nullable Duration retryAfter) {
        super(where + " answered " + status
                + (retryAfter == null ? "" : ", Retry-After " + retryAfter.toSeconds() + " s"));
        this.status = status;
        this.retryAfter = retryAfter;
    }

    int status() {
        return status;
    }

    @Nullable
    Duration retryAfter() {
        return retryAfter;
    }

    /** Tells a fault that may pass by itself: overload, or an error of the server. */
    boolean mayPass() {
        return status >= 500 || status == 429 || status == 408;
    }
}
