package io.lychee.rerank.image;

import java.io.InterruptedIOException;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/**
 * Bounds the pixels decoded at a time: one image as large as allowed, or several smaller ones. An image past its time
 * limit no longer counts, so that one that hangs blocks no other. Thread-safe.
 */
final class DecodingRoom {

    private final Semaphore free;
    private final long nanos;
    private final Set<Share> shares = ConcurrentHashMap.newKeySet();

    /** @param time that decoding one image may take */
    DecodingRoom(int pixels, Duration time) {
        this.free = new Semaphore(pixels, true);
        this.nanos = time.toNanos();
    }

    /** Holds the pixels of one image until it gives them back. */
    final class Share {
        private final int pixels;
        private final long since = System.nanoTime();

        private Share(int pixels) {
            this.pixels = pixels;
        }

        private void giveBackIfLate() {
            if (System.nanoTime() - since > nanos) {
                giveBack();
            }
        }

        void giveBack() {
            if (shares.remove(this)) {
                free.release(pixels);
            }
        }
    }

    /**
     * Waits until {@code pixels} are free, at most all of them.
     *
     * @throws InterruptedIOException when the thread is interrupted; it stays so
     */
    Share take(int pixels) throws InterruptedIOException {
        try {
            while (!free.tryAcquire(pixels, nanos, TimeUnit.NANOSECONDS)) {
                shares.forEach(Share::giveBackIfLate);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("decoding has stopped");
        }
        Share share = new Share(pixels);
        shares.add(share);
        return share;
    }
}
