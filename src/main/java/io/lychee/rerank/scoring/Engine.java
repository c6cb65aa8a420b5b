package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.RerankedList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Everything that stands in front of one device and on it: lists of all subtasks of this JVM go in, answers come out.
 *
 * <p>Encoding threads take the most urgent stretch of work, one device thread takes what is ready as the next pass, one
 * more waits for the scores of passes that run beside their host, one timer thread answers lists whose deadline comes.
 * They share the {@link Scheduler} under one lock that is never held while work is done. What is wrong with a list is
 * part of its answer; what is wrong with the device fails every list in flight and leaves the engine dead.
 */
public final class Engine implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Engine.class);

    /** How long {@link #close()} waits for all threads to end. */
    private static final long CLOSE_MILLIS = 10_000;

    private final Encoder encoder;
    private final Scorer scorer;
    private final Ticker ticker;
    private final Consumer<RuntimeException> onDeath;
    private final ScheduledThreadPoolExecutor timer;
    private final EncodeThreads encoding;
    private final DeviceThreads device;
    private boolean encoderClosed; // guarded by the monitor, as closing is
    private volatile boolean released;

    final ReentrantLock lock = new ReentrantLock();

    // everything below is guarded by the lock
    private final Scheduler scheduler;
    private long submitted;
    private @Nullable RuntimeException dead;
    private long answers;
    private long unscored;

    /** Owns the encoder and the scorer from now on, and closes them. */
    public Engine(Encoder encoder, Scorer scorer, EngineSettings settings, Ticker ticker) {
        this(encoder, scorer, settings, ticker, error -> {});
    }

    /**
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
        this.ticker = ticker;
        this.onDeath = onDeath;
        this.scheduler = new Scheduler(settings, scorer.model(), scorer.passTokens());
        this.timer = new ScheduledThreadPoolExecutor(1, work -> daemon("lychee-deadlines", work));
        timer.setRemoveOnCancelPolicy(true);
        // a pass that is awaited, or a list that comes, while this closes needs no timer any more
        timer.setRejectedExecutionHandler(new ThreadPoolExecutor.DiscardPolicy());
        timer.prestartCoreThread(); // here, not under the first caller: see EngineRegistry
        this.encoding = new EncodeThreads(this, encoder, scheduler, settings, ticker, timer);
        this.device = new DeviceThreads(this, scorer, scheduler, settings, ticker, timer);
        encoding.start();
        device.start();
    }

    static Thread daemon(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        return thread;
    }

    /**
     * Takes a list; never blocks, and does no work on its texts. How many may be in flight is the callers' bound (their
     * capacity). A caller that gives up cancels the answer: then the list leaves the engine.
     *
     * @return the answer, at the latest at the list's deadline; completes exceptionally only when the engine is dead or
     *     closed
     */
    public CompletableFuture<RerankedList> submit(CandidateList list, Arrival arrival, CallerSettings caller) {
        ListInFlight pending;
        List<Scheduler.Answered> answered;
        lock.lock();
        try {
            if (dead != null) {
                return CompletableFuture.failedFuture(dead);
            }
            pending = new ListInFlight(list, arrival, caller, submitted++, ticker);
            scheduler.add(pending, ticker.nanos());
            encoding.wake();
            answered = drain();
        } finally {
            lock.unlock();
        }
        complete(answered);
        if (!pending.answer.isDone()) {
            ScheduledFuture<?> expiry = pending.deadline == Long.MAX_VALUE
                    ? null
                    : timer.schedule(
                            () -> settle(() -> scheduler.expire(pending)),
                            pending.deadline - ticker.nanos(),
                            TimeUnit.NANOSECONDS);
            var unused = pending.answer.whenComplete((answer, error) -> {
                if (expiry != null) {
                    expiry.cancel(false);
                }
                if (error != null) {
                    settle(() -> scheduler.cancel(pending));
                }
            });
        }
        return pending.answer;
    }

    /** Where the network runs, as PyTorch writes it: cpu, cuda:0. */
    public String device() {
        return scorer.device();
    }

    /** Which network answers, and by what. */
    public ModelInfo model() {
        return scorer.model();
    }

    /** Candidates taken and not settled. */
    long queued() {
        lock.lock();
        try {
            return scheduler.queued();
        } finally {
            lock.unlock();
        }
    }

    public EngineStats stats() {
        lock.lock();
        try {
            return device.stats(answers, unscored, encoding, encoder);
        } finally {
            lock.unlock();
        }
    }

    void locked(Runnable change) {
        lock.lock();
        try {
            change.run();
        } finally {
            lock.unlock();
        }
    }

    /** Changes the schedule under the lock, then makes and completes what became answers outside it. */
    void settle(Runnable change) {
        List<Scheduler.Answered> answered;
        lock.lock();
        try {
            change.run();
            answered = drain();
            encoding.wake();
        } finally {
            lock.unlock();
        }
        complete(answered);
    }

    /** Under the lock. */
    void encoded(EncodeTask job, PromptPart segment) {
        if (scheduler.encoded(job, segment)) {
            device.wake();
        }
    }

    /** Under the lock. */
    private List<Scheduler.Answered> drain() {
        List<Scheduler.Answered> answered = scheduler.drain();
        answers += answered.size();
        for (Scheduler.Answered one : answered) {
            unscored += one.status() == ListStatus.UNSCORED ? 1 : 0;
        }
        return answered;
    }

    private static void complete(List<Scheduler.Answered> answered) {
        for (Scheduler.Answered one : answered) {
            try {
                one.owner().answer.complete(one.answer());
            } catch (Throwable e) {
                // on whatever thread it is, its work goes on
                one.owner().answer.completeExceptionally(new ScoringException("ranking failed: " + e, e));
            }
        }
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
            encoding.wakeAll();
            device.wake();
        } finally {
            lock.unlock();
        }
        if (!(cause instanceof EngineClosedException)) {
            EngineRegistry.countDeath();
            LOG.error("the engine is dead; {} lists in flight are not answered here", abandoned.size(), cause);
            onDeath.accept(cause);
        }
        abandoned.forEach(pending -> pending.answer.completeExceptionally(cause));
    }

    /** Whether a device failure or {@link #close()} ended this engine. */
    public boolean isDead() {
        lock.lock();
        try {
            return dead != null;
        } finally {
            lock.unlock();
        }
    }

    /** Stops taking work, lets the pass under way end, and fails what is still in flight; within a bound. */
    @Override
    public synchronized void close() {
        fail(new EngineClosedException());
        timer.shutdownNow();
        encoding.threads().forEach(Thread::interrupt);
        device.threads().forEach(Thread::interrupt);
        long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(CLOSE_MILLIS);
        // freeing what a native call still uses would crash the JVM
        if (haveEnded(device.threads(), until) && !released) {
            scorer.close();
            released = true;
        }
        if (haveEnded(encoding.threads(), until) && !encoderClosed) {
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
        if (!released) {
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
