package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.ScoredList;
import io.lychee.rerank.scoring.EngineCounters.Counter;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Encodes, batches and scores candidate lists on one device, for all subtasks of this JVM. Thread-safe.
 *
 * <p>Encoding threads take the most urgent task, one device thread takes what is ready as the next pass, one more waits
 * for the scores of passes that run beside their host, one timer thread answers lists at their deadline. They share the
 * {@link Scheduler} under one lock that is never held while work is done. A fault of a list is part of its answer; a
 * fault of the device fails every list in flight and leaves the engine dead.
 */
public final class Engine implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Engine.class);

    /** Bound of {@link #close()}'s wait for all threads. */
    private static final long CLOSE_MILLIS = 10_000;

    final ReentrantLock lock = new ReentrantLock();
    final Encoder encoder;
    final Scorer scorer;
    final EngineSettings settings;
    final Ticker ticker;
    final ScheduledThreadPoolExecutor timer;
    final EngineCounters counters = new EngineCounters();
    final DeviceThreads deviceThreads;
    /** Guarded by the lock. */
    final Scheduler scheduler;

    private final Consumer<RuntimeException> onDeath;
    private final EncodeThreads encodeThreads;
    private final AtomicLong submitted = new AtomicLong();
    private volatile @Nullable RuntimeException dead; // written under the lock
    private volatile boolean scorerClosed;
    private boolean encoderClosed; // guarded by the monitor

    /** Lists of one lane in flight, their candidates that are not settled, and the oldest one's time in the engine. */
    public record QueueSize(int lists, long candidates, long oldestMillis) {}

    /**
     * Owns the encoder and the scorer from now on, and closes them.
     *
     * @param onDeath called once when the device fails, before the lists in flight fail, and when a device that hangs
     *     is in the way of another engine; not when closed
     */
    public Engine(
            Encoder encoder,
            Scorer scorer,
            EngineSettings settings,
            Ticker ticker,
            Consumer<RuntimeException> onDeath) {
        this.encoder = encoder;
        this.scorer = scorer;
        this.settings = settings;
        this.ticker = ticker;
        this.onDeath = onDeath;
        this.scheduler = new Scheduler(settings, scorer.passTokens(), counters);
        this.timer = new ScheduledThreadPoolExecutor(1, work -> daemon("lychee-deadlines", work));
        timer.setRemoveOnCancelPolicy(true);
        // a pass that is awaited, or a list that comes, while this closes needs no timer any more
        timer.setRejectedExecutionHandler(new ThreadPoolExecutor.DiscardPolicy());
        timer.prestartCoreThread(); // here, not under the first caller: see EngineRegistry.apart
        this.encodeThreads = new EncodeThreads(this);
        this.deviceThreads = new DeviceThreads(this);
        underLock(encodeThreads::start);
        deviceThreads.start();
    }

    static Thread daemon(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        return thread;
    }

    /**
     * Takes a list; never blocks, and does no work on its texts. Callers bound how many are in flight (their capacity).
     * A caller that gives up cancels the answer: then the list leaves the engine.
     *
     * @return the answer, at the latest at the list's deadline; completes exceptionally only when the engine is dead or
     *     closed
     */
    public CompletableFuture<ScoredList> submit(CandidateList list, Arrival arrival) {
        ListInFlight taken = new ListInFlight(list, arrival, submitted.getAndIncrement(), ticker);
        underLock(() -> {
            RuntimeException cause = dead;
            if (cause == null) {
                scheduler.add(taken, ticker.nanos());
            } else {
                taken.answer.completeExceptionally(cause);
            }
        });
        if (!taken.answer.isDone()) {
            ScheduledFuture<?> expiry = taken.deadline == Long.MAX_VALUE
                    ? null
                    : timer.schedule(
                            () -> underLock(() -> scheduler.expire(taken)),
                            taken.deadline - ticker.nanos(),
                            TimeUnit.NANOSECONDS);
            var unused = taken.answer.whenComplete((answer, error) -> {
                if (expiry != null) {
                    expiry.cancel(false);
                }
                if (error != null) {
                    underLock(() -> scheduler.remove(taken));
                }
            });
        }
        return taken.answer;
    }

    public Set<Fallback> fallbacks() {
        return scorer.fallbacks();
    }

    /** Returns the device's name in PyTorch: cpu, cuda:0. */
    public String device() {
        return scorer.device();
    }

    public ModelInfo model() {
        return scorer.model();
    }

    public EngineCounters counters() {
        return counters;
    }

    public QueueSize queue(Lane lane) {
        return underLock(() -> scheduler.queue(lane, ticker.nanos()));
    }

    /** Counts candidates in flight that are not settled. */
    long unsettled() {
        return underLock(scheduler::unsettled);
    }

    /** Returns bytes of images to be encoded, and of encoded work that waits for the device. */
    public long encodedBytes() {
        return underLock(() -> scheduler.encodeQueue().bytes());
    }

    /** Returns tokens that a pass may hold now; fewer than configured after the device's memory didn't suffice. */
    public int passTokens() {
        return scheduler.passTokens();
    }

    /** Counts images that needed no decoding because they had been decoded before. */
    public long decodedHits() {
        return encoder.imageHits();
    }

    public Encoder.Fetches fetches() {
        return encoder.fetches();
    }

    void underLock(Runnable change) {
        underLock(() -> {
            change.run();
            return true;
        });
    }

    /** Reads or changes the schedule under the lock, then completes what became answers outside it. */
    <T> T underLock(Supplier<T> change) {
        T result;
        List<ListInFlight> answered;
        lock.lock();
        try {
            result = change.get();
            answered = scheduler.drain();
            encodeThreads.wake();
        } finally {
            lock.unlock();
        }
        counters.add(Counter.ANSWERED, answered.size());
        answered.forEach(list -> list.answer.complete(list.toAnswer(scorer.model())));
        return result;
    }

    /** Ends the engine for an error that is no fault of a list. */
    void fail(String what, Throwable error) {
        fail(error instanceof ScoringException known ? known : new ScoringException(what + ": " + error, error));
    }

    void fail(RuntimeException cause) {
        List<ListInFlight> abandoned;
        lock.lock();
        try {
            if (dead != null) {
                return;
            }
            dead = cause;
            abandoned = scheduler.abandon();
            encodeThreads.wakeAll();
            deviceThreads.wake();
        } finally {
            lock.unlock();
        }
        if (!(cause instanceof EngineClosedException)) {
            EngineRegistry.countDeath();
            LOG.error("the engine is dead; {} lists in flight are not answered here", abandoned.size(), cause);
            onDeath.accept(cause);
        }
        abandoned.forEach(list -> list.answer.completeExceptionally(cause));
    }

    /** Returns whether a device failure or {@link #close()} ended this engine. */
    public boolean isDead() {
        return dead != null;
    }

    /** Fails what is in flight, lets the pass on the device end, and frees both; within {@link #CLOSE_MILLIS}. */
    @Override
    public synchronized void close() {
        fail(new EngineClosedException());
        timer.shutdownNow();
        List<Thread> encoders = underLock(encodeThreads::threads);
        encoders.forEach(Thread::interrupt);
        deviceThreads.threads().forEach(Thread::interrupt);
        long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(CLOSE_MILLIS);
        // freeing what a native call still uses would crash the JVM
        if (haveEnded(deviceThreads.threads(), until) && !scorerClosed) {
            scorer.close();
            scorerClosed = true;
        }
        if (haveEnded(encoders, until) && !encoderClosed) {
            encoder.close();
            encoderClosed = true;
        }
    }

    private static boolean haveEnded(List<Thread> threads, long until) {
        boolean ended = true;
        for (Thread thread : threads) {
            try {
                thread.join(Math.max(1, TimeUnit.NANOSECONDS.toMillis(until - System.nanoTime())));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            if (thread.isAlive()) {
                ended = false;
                LOG.warn("{} did not end within {} ms; what it uses is not freed", thread.getName(), CLOSE_MILLIS);
            }
        }
        return ended;
    }

    /** Closes, to make room for another engine on the same device; where that fails, the device hangs. */
    void makeRoom() {
        close();
        if (!scorerClosed) {
            onDeath.accept(ScoringException.hang("the device does not come back from its last pass"));
        }
    }

    /** The engine was closed while the list was in flight. */
    public static final class EngineClosedException extends RuntimeException {
        EngineClosedException() {
            super("the engine was closed");
        }
    }
}
