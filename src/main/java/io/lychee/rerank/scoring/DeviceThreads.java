package io.lychee.rerank.scoring;

import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Keeps the device busy: one thread plans passes and starts them, one more waits for those that run beside it. */
final class DeviceThreads {

    /** What it takes to hand a pass to a GPU: packing it, copying its images, queueing some thousand kernels. */
    private static final long LEAD_NANOS = TimeUnit.MILLISECONDS.toNanos(25);

    /** How far the estimate of a pass may be off, as a part of it; by so much the next is planned earlier. */
    private static final int LEAD_PART = 8;

    /** Passes on the device: one that runs, one that waits for it. */
    private static final int MAX_IN_FLIGHT = 2;

    private final Engine engine;
    private final Scheduler scheduler;
    private final Ticker ticker;
    private final GuardedScorer device;
    private final boolean asynchronous;
    private final List<Thread> threads =
            List.of(Engine.daemon("lychee-device", this::deviceLoop), Engine.daemon("lychee-scores", this::scoresLoop));
    private final BlockingQueue<Running> running = new ArrayBlockingQueue<>(MAX_IN_FLIGHT);
    private final Condition scorable;
    private long idleSince; // of whoever finishes passes

    // everything below is guarded by the engine's lock

    /** Passes planned and not finished. */
    private int inFlight;

    /** When the last of them is likely to end, in ticker nanoseconds. */
    private long expectedEnd;

    private long expectedNanos;

    private long passes;
    private long pairs;
    private long tokens;
    private long visionTokens;
    private long prefixTokensSaved;
    private long images;
    private long imageHits;
    private long busyNanos;
    private long memoryFailures;

    DeviceThreads(
            Engine engine,
            Scorer scorer,
            Scheduler scheduler,
            EngineSettings settings,
            Ticker ticker,
            ScheduledExecutorService timer) {
        this.engine = engine;
        this.scheduler = scheduler;
        this.ticker = ticker;
        this.device = new GuardedScorer(scorer, settings.passTimeout(), timer, engine::fail, this::tooLarge);
        this.asynchronous = scorer.isAsynchronous();
        this.scorable = engine.lock.newCondition();
        this.idleSince = ticker.nanos();
    }

    void start() {
        threads.forEach(Thread::start);
    }

    List<Thread> threads() {
        return threads;
    }

    /** Under the lock. */
    void wake() {
        scorable.signalAll();
    }

    /** Under the lock; with what others have counted. */
    EngineStats stats(long answers, long unscored, EncodeThreads encoding, Encoder encoder) {
        return new EngineStats(
                scheduler.queues(ticker.nanos()),
                scheduler.encoding().bytes(),
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
                encoding.encoded(),
                encoding.encodeNanos(),
                encoder.fetches());
    }

    /** A planned pass on the device. */
    private record Running(
            Scheduler.PlannedPass planned, @Nullable PassHandle handle, long start) {}

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
                if (asynchronous && running.handle != null) {
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
            engine.fail(e);
        } catch (Throwable e) {
            engine.fail(new ScoringException("the device failed: " + e, e));
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
            engine.fail(e);
        } catch (Throwable e) {
            engine.fail(new ScoringException("the device failed: " + e, e));
        }
    }

    private void finish(Running running) {
        float[] scores = device.await(running.planned.pass(), running.handle);
        long end = ticker.nanos();
        long nanos = end - Math.max(running.start, idleSince);
        idleSince = end;
        Pass pass = running.planned.pass();
        int[] hits = running.handle == null ? new int[0] : running.handle.imageHits();
        engine.settle(() -> {
            scheduler.scored(running.planned, scores, hits, nanos, end);
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
            imageHits += IntStream.of(hits).sum();
            busyNanos += nanos;
        });
    }

    private void tooLarge(Pass pass) {
        engine.settle(() -> {
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
        engine.lock.lockInterruptibly();
        try {
            while (!engine.isDead()) {
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
            engine.lock.unlock();
        }
    }

    /** Until only the pass that was just taken is in flight; false when the engine is dead. */
    private boolean awaitIdle() throws InterruptedException {
        engine.lock.lockInterruptibly();
        try {
            while (!engine.isDead() && inFlight > 1) {
                scorable.await();
            }
            return !engine.isDead();
        } finally {
            engine.lock.unlock();
        }
    }
}
