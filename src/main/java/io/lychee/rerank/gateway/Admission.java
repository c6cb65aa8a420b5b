package io.lychee.rerank.gateway;

import io.lychee.rerank.config.GatewayConfig;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** Admits requests by their number and by the heap that they may take together. Safe for any thread. */
final class Admission {

    /** Heap for a byte of a body: itself, its text, its pictures, and the record made of them. */
    static final int BODY_FACTOR = 4;

    /** Heap for a JSON token: a node, a map entry, two short strings. */
    static final int TOKEN_BYTES = 256;

    /** A request below this may take the last eighth of the heap, which larger ones leave free. */
    private static final int SMALL_BYTES = 64 * 1024 * BODY_FACTOR;

    private final int maxRequests;
    private final long maxMemory;
    private final Semaphore places;
    private final AtomicLong reserved = new AtomicLong();

    Admission(GatewayConfig limits) {
        this.maxRequests = limits.maxRequests();
        this.maxMemory = limits.maxMemory() == 0 ? Runtime.getRuntime().maxMemory() / 4 : limits.maxMemory();
        this.places = new Semaphore(maxRequests);
    }

    /** @throws HttpError 429 when all places are taken */
    Place enter() {
        if (!places.tryAcquire()) {
            throw new HttpError(
                    429, maxRequests + " requests are in progress; no more are taken (gateway.max-requests)");
        }
        return new Place();
    }

    int freePlaces() {
        return places.availablePermits();
    }

    long reservedBytes() {
        return reserved.get();
    }

    /** Admits one request; its heap is freed when its last holder releases it. */
    final class Place {
        private final AtomicBoolean left = new AtomicBoolean();
        private final AtomicInteger holders = new AtomicInteger(1);
        private final AtomicLong bytes = new AtomicLong();

        private Place() {}

        /** @throws HttpError 413 when it could never be taken, 429 when it can't be now */
        void reserve(long more) {
            long own = bytes.get() + more;
            long most = own <= SMALL_BYTES ? maxMemory : maxMemory - maxMemory / 8;
            if (own > most) {
                throw new HttpError(
                        413,
                        "the request may take " + own + " bytes of heap, of at most " + most + " (gateway.max-memory)");
            }
            if (reserved.addAndGet(more) > most) {
                reserved.addAndGet(-more);
                throw new HttpError(429, "requests take all of their " + maxMemory + " bytes (gateway.max-memory)");
            }
            bytes.addAndGet(more);
        }

        void hold() {
            holders.incrementAndGet();
        }

        /** Ends one hold; {@link #enter} made the first. */
        void release() {
            if (holders.decrementAndGet() == 0) {
                reserved.addAndGet(-bytes.get());
            }
        }

        /** Lets another request in; a second call does nothing. */
        void leave() {
            if (left.compareAndSet(false, true)) {
                places.release();
            }
        }
    }
}
