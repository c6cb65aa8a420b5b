package io.lychee.rerank.gateway;

import java.time.Duration;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Carries an HTTP status, and a message with what was found and what was expected. */
final class HttpError extends RuntimeException {

    private static final Logger LOG = LoggerFactory.getLogger(HttpError.class);

    private final int status;

    HttpError(int status, String message) {
        // without a stack trace: a flood of bad requests must not cost more than good ones
        super(message, null, false, false);
        this.status = status;
    }

    static HttpError badRequest(String message) {
        return new HttpError(400, message);
    }

    /** Maps a failure to a status; logs one that is not the client's. */
    static HttpError of(Throwable error, Duration timeout) {
        Throwable cause = error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
        if (cause instanceof HttpError known) {
            return known;
        }
        if (cause instanceof TimeoutException) {
            return new HttpError(
                    504, "no answer within " + timeout.toMillis() + " ms (gateway.timeout); is a job running?");
        }
        if (cause instanceof OutOfMemoryError) {
            LOG.error("a request found no heap left: {}", cause.getMessage());
            return new HttpError(503, "the gateway has no heap left for the request (gateway.max-memory)");
        }
        LOG.error("a request failed", cause);
        return new HttpError(500, "the gateway failed; its log says why");
    }

    int status() {
        return status;
    }

    String message() {
        return String.valueOf(getMessage());
    }
}
