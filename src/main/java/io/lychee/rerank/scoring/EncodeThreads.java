package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.scoring.EngineCounters.Counter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/**
 * Encodes the most urgent work, one task a thread. Any error that a task throws becomes its rejection. A thread that
 * hangs in one longer than {@code image.decode-timeout} is replaced, as often as there are threads.
 */
final class EncodeThreads {

    private static final Logger LOG = LoggerFactory.getLogger(EncodeThreads.class);

    private final Engine engine;
    private final EncodeQueue queue;
    private final Condition encodable;

    // guarded by the engine's lock
    private final List<Worker> workers = new ArrayList<>();
    private int started;
    private int hanging;

    EncodeThreads(Engine engine) {
        this.engine = engine;
        this.queue = engine.scheduler.encodeQueue();
        this.encodable = engine.lock.newCondition();
    }

    private final class Worker extends Thread {
        private @Nullable EncodeTask task;
        private @Nullable ScheduledFuture<?> watchdog;
        private boolean abandoned;

        Worker(int number) {
            super("lychee-encode-" + number);
            setDaemon(true);
        }

        @Override
        public void run() {
            try {
                for (Work work = take(this); work != null; work = take(this)) {
                    Work taken = work;
                    withRequestId(work.task, () -> encode(this, taken));
                }
            } catch (InterruptedException e) {
                // closed
            } catch (Throwable e) {
                engine.fail("encoding failed", e);
            } finally {
                engine.underLock(() -> {
                    workers.remove(this);
                    hanging -= abandoned ? 1 : 0;
                });
            }
        }
    }

    /** @param images bytes of all images of the task, in order */
    private record Work(EncodeTask task, List<byte[]> images) {}

    /** Starts all threads, under the lock. */
    void start() {
        for (int i = 0; i < engine.settings.encodeThreads(); i++) {
            startOne();
        }
    }

    private void startOne() {
        Worker worker = new Worker(started++);
        workers.add(worker);
        worker.start();
    }

    /** Wakes one thread, under the lock; it wakes the next. */
    void wake() {
        if (queue.hasWork()) {
            encodable.signal();
        }
    }

    /** Wakes all threads, under the lock. */
    void wakeAll() {
        encodable.signalAll();
    }

    /** Returns threads that have not ended, under the lock. */
    List<Thread> threads() {
        return List.copyOf(workers);
    }

    /** Blocks for a task to encode, and starts fetches meanwhile; null when the thread is to end. */
    private @Nullable Work take(Worker worker) throws InterruptedException {
        while (true) {
            EncodeTask toFetch;
            engine.lock.lockInterruptibly();
            try {
                if (engine.isDead() || worker.abandoned) {
                    return null;
                }
                toFetch = queue.nextFetch();
                EncodeTask task = toFetch == null ? queue.nextEncode() : null;
                if (task != null) {
                    worker.task = task;
                    watch(worker, task);
                }
                if (task == null && toFetch == null) {
                    encodable.await();
                } else {
                    wake();
                }
                if (task != null) {
                    return new Work(task, queue.images(task));
                }
            } finally {
                engine.lock.unlock();
            }
            if (toFetch != null) {
                withRequestId(toFetch, () -> fetch(toFetch));
            }
        }
    }

    private void fetch(EncodeTask task) {
        CompletableFuture<List<byte[]>> images;
        try {
            images = engine.encoder.fetch(task.content());
        } catch (Throwable e) {
            images = CompletableFuture.failedFuture(e);
        }
        CompletableFuture<List<byte[]>> inFlight = images;
        CompletableFuture<?> ended = images.handle((bytes, error) -> {
                    engine.underLock(
                            error == null && bytes != null
                                    ? () -> queue.fetched(task, bytes)
                                    : fetchFailed(task, error == null ? new NullPointerException() : error));
                    return null;
                })
                .exceptionally(error -> {
                    // a future keeps its errors to itself
                    engine.fail("fetching failed", error);
                    return null;
                });
        if (!ended.isDone()) {
            // an answered list needs no image any more
            CompletableFuture<?> unused = task.owner().answer.whenComplete((answer, error) -> inFlight.cancel(false));
        }
    }

    private Runnable fetchFailed(EncodeTask task, Throwable error) {
        Throwable cause = error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
        if (cause instanceof RejectedException rejection) {
            return () -> engine.scheduler.fetchFailed(task, rejection.reason(), String.valueOf(rejection.getMessage()));
        }
        if (!(cause instanceof CancellationException)) {
            withRequestId(task, () -> LOG.warn("fetching images failed", cause));
        }
        return () ->
                engine.scheduler.fetchFailed(task, Reason.IMAGE_NOT_FOUND, "the image could not be fetched: " + cause);
    }

    /** Adds the list's id to log lines of the work; conf/log4j2.properties prints it. */
    private static void withRequestId(EncodeTask task, Runnable work) {
        MDC.put("request_id", task.owner().list.requestId());
        try {
            work.run();
        } finally {
            MDC.remove("request_id");
        }
    }

    private void encode(Worker worker, Work work) {
        EncodeTask task = work.task;
        long start = engine.ticker.nanos();
        Runnable change;
        try {
            PromptPart part = part(task, work.images);
            long nanos = engine.ticker.nanos() - start;
            change = () -> {
                if (engine.scheduler.encoded(task, part)) {
                    engine.deviceThreads.wake();
                }
                engine.counters.add(Counter.ENCODED, 1);
                engine.counters.add(Counter.ENCODE_NANOS, nanos);
            };
        } catch (RejectedException e) {
            change = () -> engine.scheduler.rejected(task, e.reason(), String.valueOf(e.getMessage()));
        } catch (Throwable e) {
            // decoders and tokenizers of hostile bytes throw nearly anything
            LOG.warn("encoding failed; what can't be encoded is rejected", e);
            change = () -> engine.scheduler.rejected(task, reason(task), "it can't be encoded: " + e);
        }
        Runnable ended = change;
        engine.underLock(() -> {
            if (!worker.abandoned) {
                worker.task = null;
                if (worker.watchdog != null) {
                    worker.watchdog.cancel(false);
                }
                ended.run();
            }
        });
    }

    private PromptPart part(EncodeTask task, List<byte[]> images) throws RejectedException {
        ListInFlight owner = task.owner();
        return task.isPrefix()
                ? engine.encoder.encodePrefix(owner.list.instruction(), owner.list.query(), images)
                : engine.encoder.encodeCandidate(owner.list.candidates().get(task.index()), images);
    }

    private static Reason reason(EncodeTask task) {
        return task.content().images().isEmpty() ? Reason.OVER_BUDGET : Reason.IMAGE_UNREADABLE;
    }

    /** Watches a task, under the lock. */
    private void watch(Worker worker, EncodeTask task) {
        worker.watchdog = engine.timer.schedule(
                () -> overdue(worker, task), engine.settings.encodeTimeout().toNanos(), TimeUnit.NANOSECONDS);
    }

    /** Rejects a task that takes too long. A thread in native code can't be stopped: another takes its place. */
    private void overdue(Worker worker, EncodeTask task) {
        int threads = engine.settings.encodeThreads();
        String detail = "encoding it takes longer than image.decode-timeout, " + engine.settings.encodeTimeout();
        int hang = engine.underLock(() -> {
            if (!task.equals(worker.task)) {
                return 0;
            }
            if (worker.getState() != Thread.State.RUNNABLE) {
                watch(worker, task); // it waits for its turn, and works on nothing
                return 0;
            }
            worker.abandoned = true;
            hanging++;
            if (hanging <= threads) {
                startOne();
            }
            engine.scheduler.rejected(task, reason(task), detail);
            return hanging;
        });
        if (hang > 0) {
            withRequestId(task, () -> LOG.warn("{}; {} threads hang in such work", detail, hang));
        }
        if (hang > threads) {
            engine.fail(ScoringException.hang(
                    hang + " threads hang in the encoding of one text or image each; encode.threads is " + threads));
        }
    }
}
