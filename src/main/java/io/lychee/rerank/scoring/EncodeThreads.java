package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/**
 * Encodes the most urgent work, one job a thread. Whatever a job throws is its rejection; a thread that hangs in one
 * longer than {@code image.decode-timeout} is replaced, as often as there are threads.
 */
final class EncodeThreads {

    private static final Logger LOG = LoggerFactory.getLogger(EncodeThreads.class);

    private final Engine engine;
    private final Encoder encoder;
    private final Scheduler scheduler;
    private final EncodeQueue queue;
    private final EngineSettings settings;
    private final Ticker ticker;
    private final ScheduledExecutorService timer;
    private final Condition encodable;

    // everything below is guarded by the engine's lock
    private final List<Worker> workers = new ArrayList<>();
    private int started;
    private int hanging;
    private long encoded;
    private long encodeNanos;

    EncodeThreads(
            Engine engine,
            Encoder encoder,
            Scheduler scheduler,
            EngineSettings settings,
            Ticker ticker,
            ScheduledExecutorService timer) {
        this.engine = engine;
        this.encoder = encoder;
        this.scheduler = scheduler;
        this.queue = scheduler.encoding();
        this.settings = settings;
        this.ticker = ticker;
        this.timer = timer;
        this.encodable = engine.lock.newCondition();
    }

    private final class Worker extends Thread {
        private @Nullable EncodeTask job;
        private @Nullable ScheduledFuture<?> watchdog;
        private boolean abandoned;

        Worker(int number) {
            super("lychee-encode-" + number);
            setDaemon(true);
        }

        @Override
        public void run() {
            try {
                for (EncodeQueue.Fetched work = take(this); work != null; work = take(this)) {
                    EncodeQueue.Fetched taken = work;
                    about(work.job(), () -> encode(this, taken));
                }
            } catch (InterruptedException e) {
                // closed
            } catch (Throwable e) {
                engine.fail(new ScoringException("encoding failed: " + e, e));
            } finally {
                engine.locked(() -> {
                    workers.remove(this);
                    hanging -= abandoned ? 1 : 0;
                });
            }
        }
    }

    void start() {
        engine.locked(() -> {
            for (int i = 0; i < settings.encodeThreads(); i++) {
                startOne();
            }
        });
    }

    /** Under the lock. */
    private void startOne() {
        Worker worker = new Worker(started++);
        workers.add(worker);
        worker.start();
    }

    /** Under the lock: one thread is enough, it wakes the next. */
    void wake() {
        if (queue.hasWork()) {
            encodable.signal();
        }
    }

    /** Under the lock. */
    void wakeAll() {
        encodable.signalAll();
    }

    /** Those that have not ended. */
    List<Thread> threads() {
        List<Thread> threads = new ArrayList<>();
        engine.locked(() -> threads.addAll(workers));
        return threads;
    }

    /** Under the lock. */
    long encoded() {
        return encoded;
    }

    /** Under the lock. */
    long encodeNanos() {
        return encodeNanos;
    }

    /** Blocks for the most urgent work whose images are here; null when the thread is to end. */
    private EncodeQueue.@Nullable Fetched take(Worker worker) throws InterruptedException {
        while (true) {
            EncodeTask job;
            engine.lock.lockInterruptibly();
            try {
                while (!engine.isDead() && !worker.abandoned && !queue.hasJob()) {
                    EncodeQueue.Fetched work = queue.takeFetched();
                    if (work != null) {
                        worker.job = work.job();
                        watch(worker, work.job());
                        wake();
                        return work;
                    }
                    encodable.await();
                }
                if (engine.isDead() || worker.abandoned) {
                    return null;
                }
                job = queue.takeJob();
                wake();
            } finally {
                engine.lock.unlock();
            }
            about(job, () -> fetch(job));
        }
    }

    private void fetch(EncodeTask job) {
        CompletableFuture<List<byte[]>> images;
        try {
            images = encoder.fetch(job.content());
        } catch (Throwable e) {
            images = CompletableFuture.failedFuture(e);
        }
        CompletableFuture<List<byte[]>> underWay = images;
        CompletableFuture<?> settled = images.handle((bytes, error) -> {
                    engine.settle(
                            error == null && bytes != null
                                    ? () -> queue.fetched(job, bytes)
                                    : fetchFailed(job, error == null ? new NullPointerException() : error));
                    return null;
                })
                .exceptionally(error -> {
                    // a future keeps its errors to itself
                    engine.fail(new ScoringException("fetching failed: " + error, error));
                    return null;
                });
        if (!settled.isDone()) {
            // nobody waits for it any more
            CompletableFuture<?> unused = job.owner().answer.whenComplete((answer, error) -> underWay.cancel(false));
        }
    }

    private Runnable fetchFailed(EncodeTask job, Throwable error) {
        Throwable cause = error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
        if (cause instanceof RejectedException rejection) {
            return () -> scheduler.fetchFailed(job, rejection.reason(), String.valueOf(rejection.getMessage()));
        }
        if (!(cause instanceof CancellationException)) {
            about(job, () -> LOG.warn("fetching images failed", cause));
        }
        return () -> scheduler.fetchFailed(job, Reason.IMAGE_NOT_FOUND, "the image could not be fetched: " + cause);
    }

    /** Log lines of the work carry the list's id; conf/log4j2.properties prints it. */
    private static void about(EncodeTask job, Runnable work) {
        MDC.put("request_id", job.owner().list.requestId());
        try {
            work.run();
        } finally {
            MDC.remove("request_id");
        }
    }

    private void encode(Worker worker, EncodeQueue.Fetched work) {
        EncodeTask job = work.job();
        long start = ticker.nanos();
        Runnable result;
        try {
            PromptPart segment = segment(job, work.images());
            long nanos = ticker.nanos() - start;
            result = () -> {
                engine.encoded(job, segment);
                encoded++;
                encodeNanos += nanos;
            };
        } catch (RejectedException e) {
            result = () -> scheduler.rejected(job, e.reason(), String.valueOf(e.getMessage()));
        } catch (Throwable e) {
            // decoders and tokenizers of hostile bytes throw nearly anything
            LOG.warn("encoding failed; what can't be encoded is rejected", e);
            result = () -> scheduler.rejected(job, reason(job), "it can't be encoded: " + e);
        }
        Runnable change = result;
        engine.settle(() -> {
            if (!worker.abandoned) {
                worker.job = null;
                if (worker.watchdog != null) {
                    worker.watchdog.cancel(false);
                }
                change.run();
            }
        });
    }

    private PromptPart segment(EncodeTask job, List<byte[]> images) throws RejectedException {
        ListInFlight owner = job.owner();
        return job.isPrefix()
                ? encoder.encodePrefix(owner.list.instruction(), encoder.prepare(job.content()), images)
                : encoder.encodeCandidate(
                        encoder.prepare(owner.list.candidates().get(job.index())), images);
    }

    private static Reason reason(EncodeTask job) {
        return job.content().images().isEmpty() ? Reason.OVER_BUDGET : Reason.IMAGE_UNREADABLE;
    }

    /** Under the lock. */
    private void watch(Worker worker, EncodeTask job) {
        worker.watchdog = timer.schedule(
                () -> overdue(worker, job), settings.encodeTimeout().toNanos(), TimeUnit.NANOSECONDS);
    }

    /** Rejects what takes too long. A thread in native code can't be stopped: another takes its place. */
    private void overdue(Worker worker, EncodeTask job) {
        String detail = "encoding it takes longer than image.decode-timeout, " + settings.encodeTimeout();
        int[] hang = new int[1];
        engine.settle(() -> {
            if (!job.equals(worker.job)) {
                return;
            }
            if (worker.getState() != Thread.State.RUNNABLE) {
                watch(worker, job); // it waits for its turn, and works on nothing
                return;
            }
            worker.abandoned = true;
            hang[0] = ++hanging;
            if (hanging <= settings.encodeThreads()) {
                startOne();
            }
            scheduler.rejected(job, reason(job), detail);
        });
        if (hang[0] > 0) {
            about(job, () -> LOG.warn("{}; {} threads hang in such work", detail, hang[0]));
        }
        if (hang[0] > settings.encodeThreads()) {
            engine.fail(ScoringException.hang(
                    hang[0] + " threads hang in the encoding of one text or image each; encode.threads is "
                            + settings.encodeThreads()));
        }
    }
}
