package io.lychee.rerank.hub;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLPeerUnverifiedException;

/**
 * Spaces the tries of a request.
 *
 * @param tries in a row without a byte received
 */
record Retries(int tries, Pause pause) {

    static final int TRIES = 6;
    private static final Duration FIRST_BACKOFF = Duration.ofSeconds(1);
    /** Longest wait that a Retry-After may ask for. */
    static final Duration MAX_RETRY_AFTER = Duration.ofMinutes(2);

    /** Waits; replaced by tests. */
    interface Pause {
        void sleep(Duration time) throws InterruptedException;
    }

    interface Request<T> {
        T send() throws IOException;
    }

    <T> T send(Request<T> request) throws IOException {
        for (int failures = 1; ; failures++) {
            try {
                return request.send();
            } catch (IOException e) {
                pauseAfter(failures, e);
            }
        }
    }

    /**
     * Waits before the next try: as long as the server asks, or 1, 2, 4, … seconds.
     *
     * @throws IOException the failure, when it was the last try or another one would fail the same way
     */
    void pauseAfter(int failures, IOException failure) throws IOException {
        Duration wait = FIRST_BACKOFF.multipliedBy(1L << (failures - 1));
        boolean mayPass = !(failure instanceof SSLHandshakeException || failure instanceof SSLPeerUnverifiedException);
        if (failure instanceof StatusException answer) {
            Duration asked = answer.retryAfter();
            wait = asked == null ? wait : asked;
            mayPass = answer.mayPass() && wait.compareTo(MAX_RETRY_AFTER) <= 0;
        }
        if (failures >= tries || !mayPass) {
            throw failure;
        }
        try {
            pause.sleep(wait);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("the download was given up");
        }
    }
}
