package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.domain.RerankedList;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

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

    /** How long {@link #close()} waits for a thread to end. */
    private static final long CLOSE_MILLIS = 10_000;

    /** What it takes to hand a pass to a GPU: packing it, copying its images, queueing some thousand kernels. */
    private static final long LEAD_NANOS = TimeUnit.MILLISECONDS.toNanos(25);

    /** How far the estimate of a pass may be off, as a part of it; by so much the next is planned earlier. */
    private static final int LEAD_PART = 8;

    /** Passes on the device: one that runs, one that waits for it. */
    private static final int MAX_IN_FLIGHT = 2;

    private final Encoder encoder;
    private final Scorer scorer;
    private final EngineSettings settings;
    private final Ticker ticker;
    private final Device device;
    private final Runnable onDeath;
    private final ScheduledThreadPoolExecutor timer;
    private final List<Thread> encoding = new ArrayList<>();
    private final List<Thread> scoring = new ArrayList<>();
    private final BlockingQueue<Running> running = new ArrayBlockingQueue<>(MAX_IN_FLIGHT);
    private long idleSince; // of whoever finishes passes

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition encodable = lock.newCondition();
    private final Condition scorable = lock.newCondition();

    // everything below is guarded by the lock
    private final Scheduler scheduler;

    private long submitted;

    /** Passes planned and not finished. */
    private int inFlight;

    /** When the last of them is likely to end, in ticker nanoseconds. */
    private long expectedEnd;

    private long expectedNanos;

    private @Nullable RuntimeException dead;

    private long answers;
    private long unscored;
    private long passes;
    private long pairs;
    private long tokens;
    private long visionTokens;
    private long prefixTokensSaved;
    private long images;
    private long imageHits;
    private long busyNanos;
    private long memoryFailures;
    private long encoded;
    private long encodeNanos;

    /** Owns the encoder and the scorer from now on, and closes them. */
    public Engine(Encoder encoder, Scorer scorer, EngineSettings settings, Ticker ticker) {
        this(encoder, scorer, settings, ticker, () -> {});
    }

    /** @param onDeath called once when the device fails, after the lists in flight have failed; not when closed */
    public Engine(Encoder encoder, Scorer scorer, EngineSettings settings, Ticker ticker, Runnable onDeath) {
        this.encoder = encoder;
        this.scorer = scorer;
        this.settings = settings;
        this.ticker = ticker;
        this.onDeath = onDeath;
        this.scheduler = new Scheduler(settings, scorer.model(), scorer.passTokens());
        this.timer = new ScheduledThreadPoolExecutor(1, work -> daemon("lychee-deadlines", work));
        timer.setRemoveOnCancelPolicy(true);
        // a pass that is awaited, or a list that comes, while this closes needs no timer any more
        timer.setRejectedExecutionHandler(new ThreadPoolExecutor.DiscardPolicy());
        this.idleSince = ticker.nanos();
        timer.prestartCoreThread(); // here, not under the first caller: see Engines
        this.device = new Device(scorer, settings.passTimeout(), timer, this::fail, this::tooLarge);
        for (int i = 0; i < settings.encodeThreads(); i++) {
            encoding.add(daemon("lychee-encode-" + i, this::encodeLoop));
        }
        scoring.add(daemon("lychee-device", this::deviceLoop));
        scoring.add(daemon("lychee-scores", this::scoresLoop));
        encoding.forEach(Thread::start);
        scoring.forEach(Thread::start);
    }

    private static Thread daemon(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        return thread;
    }

    /**
     * Takes a list; never blocks. How many may be in flight is the callers' bound (their capacity).
     *
     * @return the answer, at the latest at the list's deadline; completes exceptionally only when the engine is dead or
     *     closed
     */
    public CompletableFuture<RerankedList> submit(CandidateList list, Arrival arrival) {
        CandidateList prepared = encoder.prepare(list);
        PendingList pending;
        List<Scheduler.Answered> answered;
        lock.lock();
        try {
            if (dead != null) {
                return CompletableFuture.failedFuture(dead);
            }
            pending = new PendingList(prepared, arrival, timeoutMs(list, arrival.lane()), submitted++, ticker);
            scheduler.add(pending, ticker.nanos());
            encodable.signalAll();
            answered = drain();
        } finally {
            lock.unlock();
        }
        complete(answered);
        if (pending.deadline != Long.MAX_VALUE && !pending.answer.isDone()) {
            // a caller that gives up is no reason to keep the timer
            ScheduledFuture<?> expiry = timer.schedule(
                    () -> settle(() -> scheduler.expire(pending)),
                    pending.deadline - ticker.nanos(),
                    TimeUnit.NANOSECONDS);
            return pending.answer.whenComplete((answer, error) -> expiry.cancel(false));
        }
        return pending.answer;
    }

    private long timeoutMs(CandidateList list, Lane lane) {
        if (list.timeoutMs() != null) {
            return list.timeoutMs();
        }
        return lane == Lane.REALTIME ? settings.realtimeTimeoutMs() : settings.backfillTimeoutMs();
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
            return new EngineStats(
                    scheduler.queues(ticker.nanos()),
                    scheduler.encodedBytes(),
                    answers,
                    unscored,
                    passes,
                    pairs,
                    tokens,
                    visionTokens,
                    prefixTokensSaved,
                    images,
                    imageHits,
                    encoder.imageHits(),
                    scheduler.scoreHits(),
                    busyNanos,
                    scheduler.passTokens(),
                    memoryFailures,
                    encoded,
                    encodeNanos,
                    encoder.fetches());
        } finally {
            lock.unlock();
        }
    }

    // ---- encoding threads

    private void encodeLoop() {
        try {
            while (true) {
                Scheduler.Fetched work = takeWork();
                if (work == null) {
                    return;
                }
                about(work.job(), () -> encode(work));
            }
        } catch (InterruptedException e) {
            // closed
        } catch (Throwable e) {
            fail(new ScoringException("encoding failed: " + e, e));
        }
    }

    /** Blocks for the most urgent work whose images are here; null when the engine is dead. */
    private Scheduler.@Nullable Fetched takeWork() throws InterruptedException {
        while (true) {
            Scheduler.EncodeJob job;
            lock.lockInterruptibly();
            try {
                while (dead == null && !scheduler.hasJob()) {
                    Scheduler.Fetched work = scheduler.takeFetched();
                    if (work != null) {
                        return work;
                    }
                    encodable.await();
                }
                if (dead != null) {
                    return null;
                }
                job = scheduler.takeJob();
            } finally {
                lock.unlock();
            }
            about(job, () -> fetch(job));
        }
    }

    private void fetch(Scheduler.EncodeJob job) {
        CompletableFuture<List<byte[]>> images;
        try {
            images = encoder.fetch(job.content());
        } catch (RuntimeException e) {
            images = CompletableFuture.failedFuture(e);
        }
        CompletableFuture<?> settled = images.thenAccept(bytes -> settle(() -> scheduler.fetched(job, bytes)))
                .exceptionally(error -> {
                    fetchFailed(job, error);
                    return null;
                })
                .exceptionally(error -> {
                    // a future keeps its errors to itself
                    fail(new ScoringException("fetching failed: " + error, error));
                    return null;
                });
        if (!settled.isDone()) {
            // nobody waits for it any more
            CompletableFuture<List<byte[]>> underWay = images;
            CompletableFuture<?> unused = job.owner().answer.whenComplete((answer, error) -> underWay.cancel(false));
        }
    }

    private void fetchFailed(Scheduler.EncodeJob job, Throwable error) {
        Throwable cause = error instanceof CompletionException ? error.getCause() : error;
        if (cause instanceof RejectedException rejection) {
            settle(() -> scheduler.fetchFailed(job, rejection.reason(), String.valueOf(rejection.getMessage())));
            return;
        }
        if (!(cause instanceof CancellationException)) {
            about(job, () -> LOG.warn("fetching images failed", cause));
        }
        settle(() -> scheduler.fetchFailed(job, Reason.IMAGE_NOT_FOUND, "the image could not be fetched: " + cause));
    }

    /** Log lines of the work carry the list's id; conf/log4j2.properties prints it. */
    private static void about(Scheduler.EncodeJob job, Runnable work) {
        MDC.put("request_id", job.owner().list.requestId());
        try {
            work.run();
        } finally {
            MDC.remove("request_id");
        }
    }

    private void encode(Scheduler.Fetched work) {
        Scheduler.EncodeJob job = work.job();
        Content content = job.content();
        long start = ticker.nanos();
        try {
            Segment segment = job.index() == Scheduler.PREFIX
                    ? encoder.encodePrefix(job.owner().list.instruction(), content, work.images())
                    : encoder.encodeCandidate(content, work.images());
            long nanos = ticker.nanos() - start;
            settle(() -> {
                if (scheduler.encoded(job, segment)) {
                    scorable.signal();
                }
                encoded++;
                encodeNanos += nanos;
            });
        } catch (RejectedException e) {
            settle(() -> scheduler.rejected(job, e.reason(), String.valueOf(e.getMessage())));
        }
    }

    // ---- the device thread

    /** A planned pass on the device. */
    private record Running(Scheduler.PlannedPass planned, Device.Running pass, long start) {}

    /** Plans passes and hands them to the device: at most two, of which the second waits for the first. */
    private void deviceLoop() {
        try {
            while (true) {
                Scheduler.PlannedPass planned = takePass();
                if (planned == null) {
                    return;
                }
                long start = ticker.nanos();
                Running running = new Running(planned, device.start(planned.pass()), start);
                if (running.pass.isRunning()) {
                    this.running.put(running);
                } else {
                    if (!awaitIdle()) {
                        return;
                    }
                    finish(running);
                }
            }
        } catch (InterruptedException e) {
            // closed
        } catch (ScoringException e) {
            fail(e);
        } catch (Throwable e) {
            fail(new ScoringException("the device failed: " + e, e));
        }
    }

    /** Takes the scores of passes that run beside their host as soon as they are there. */
    private void scoresLoop() {
        try {
            while (true) {
                finish(running.take());
            }
        } catch (InterruptedException e) {
            // closed
        } catch (ScoringException e) {
            fail(e);
        } catch (Throwable e) {
            fail(new ScoringException("the device failed: " + e, e));
        }
    }

    private void finish(Running running) {
        float[] scores = running.pass.await();
        long end = ticker.nanos();
        long nanos = end - Math.max(running.start, idleSince);
        idleSince = end;
        Pass pass = running.planned.pass();
        settle(() -> {
            scheduler.scored(running.planned, scores, running.pass.imageHits(), nanos, end);
            inFlight--;
            scorable.signal();
            expectedEnd = end + expectedNanos; // of the one that waited, if there is one
            passes++;
            for (float score : scores) {
                pairs += Float.isFinite(score) ? 1 : 0;
            }
            tokens += pass.tokens();
            visionTokens += pass.visionTokens();
            prefixTokensSaved += pass.prefixTokensSaved();
            images += pass.images();
            imageHits += IntStream.of(running.pass.imageHits()).sum();
            busyNanos += nanos;
        });
    }

    private void tooLarge(Pass pass) {
        settle(() -> {
            memoryFailures++;
            if (pass.candidates() > 1) {
                scheduler.shrink(pass);
            }
        });
    }

    /**
     * Blocks for the next pass; null when the engine is dead. While one runs, the next is planned shortly before that
     * ends: early enough that the device finds it waiting, and no earlier, so that what comes in until then can be part
     * of it.
     */
    private Scheduler.@Nullable PlannedPass takePass() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (dead == null) {
                long now = ticker.nanos();
                long early = inFlight == 0 ? 0 : expectedEnd - LEAD_NANOS - expectedNanos / LEAD_PART - now;
                if (inFlight == MAX_IN_FLIGHT) {
                    scorable.await();
                } else if (early > 0) {
                    long unused = scorable.awaitNanos(early);
                } else {
                    long start = inFlight == 0 ? now : Math.max(now, expectedEnd);
                    Scheduler.PlannedPass planned = scheduler.nextPass(start);
                    if (planned != null) {
                        inFlight++;
                        expectedNanos = scheduler.expectedNanos(planned.pass(), now);
                        expectedEnd = start + expectedNanos;
                        return planned;
                    }
                    scorable.await();
                }
            }
            return null;
        } finally {
            lock.unlock();
        }
    }

    /** Until only the pass that was just taken is in flight; false when the engine is dead. */
    private boolean awaitIdle() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (dead == null && inFlight > 1) {
                scorable.await();
            }
            return dead == null;
        } finally {
            lock.unlock();
        }
    }

    // ---- shared

    /** Changes the schedule under the lock, then completes what became answers outside it. */
    private void settle(Runnable change) {
        List<Scheduler.Answered> answered;
        lock.lock();
        try {
            change.run();
            answered = drain();
            encodable.signalAll();
        } finally {
            lock.unlock();
        }
        complete(answered);
    }

    /** Under the lock. */
    private List<Scheduler.Answered> drain() {
        List<Scheduler.Answered> answered = scheduler.drain();
        answers += answered.size();
        for (Scheduler.Answered one : answered) {
            unscored += one.answer().status() == ListStatus.UNSCORED ? 1 : 0;
        }
        return answered;
    }

    private static void complete(List<Scheduler.Answered> answered) {
        answered.forEach(a -> a.owner().answer.complete(a.answer()));
    }

    private void fail(RuntimeException cause) {
        List<PendingList> abandoned;
        lock.lock();
        try {
            if (dead != null) {
                return;
            }
            dead = cause;
            abandoned = scheduler.abandon();
            encodable.signalAll();
            scorable.signalAll();
        } finally {
            lock.unlock();
        }
        if (!(cause instanceof EngineClosedException)) {
            Engines.countDeath();
            LOG.error("the engine is dead; {} lists in flight are not answered here", abandoned.size(), cause);
        }
        abandoned.forEach(pending -> pending.answer.completeExceptionally(cause));
        if (!(cause instanceof EngineClosedException)) {
            onDeath.run();
        }
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

    /** Stops taking work, lets the pass under way end, and fails what is still in flight. */
    @Override
    public void close() {
        fail(new EngineClosedException());
        timer.shutdownNow();
        encoding.forEach(Thread::interrupt);
        scoring.forEach(Thread::interrupt);
        // freeing what a native call still uses would crash the JVM
        if (haveEnded(encoding)) {
            encoder.close();
        }
        if (haveEnded(scoring)) {
            scorer.close();
        }
    }

    private static boolean haveEnded(List<Thread> threads) {
        boolean ended = true;
        for (Thread thread : threads) {
            try {
                thread.join(CLOSE_MILLIS);
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

    /** The engine was closed while the list was in flight. */
    public static final class EngineClosedException extends RuntimeException {
        EngineClosedException() {
            super("the engine was closed");
        }
    }
}
