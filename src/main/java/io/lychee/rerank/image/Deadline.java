package io.lychee.rerank.image;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;

/** Ends the decoding of one image at its time limit or when its thread is interrupted; loops check it row by row. */
final class Deadline {

    private final Duration limit;
    private long end;

    /** @param limit image.decode-timeout */
    Deadline(Duration limit) {
        this.limit = limit;
        restart();
    }

    /** Starts the time limit again. */
    void restart() {
        end = System.nanoTime() + limit.toNanos();
    }

    /** @throws IOException past the limit, or when interrupted */
    void check() throws IOException {
        if (System.nanoTime() - end > 0) {
            throw new IOException("it takes longer than image.decode-timeout, %d ms".formatted(limit.toMillis()));
        }
        if (Thread.currentThread().isInterrupted()) {
            throw new InterruptedIOException("decoding it was given up");
        }
    }
}
