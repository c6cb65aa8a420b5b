package io.lychee.rerank.scoring;

import io.lychee.rerank.scoring.EngineCounters.Counter;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import org.jspecify.annotations.Nullable;

/** Keeps the device busy: one thread plans passes and starts them, one more waits for those that run beside it. */
final class DeviceThreads {

    /** Time to hand a pass to a GPU: packing it, copying its images, queueing some thousand kernels. */
    private static final long LEAD_NANOS = TimeUnit.MILLISECONDS.toNanos(25);

    /** Safety margin: the next pass is planned this part of the estimate early. */
    private static final int LEAD_PART = 8;

    /** Passes on the device: one that runs, one that waits for it. */
    private static final int MAX_IN_FLIGHT = 2;

    private final Engine engine;
    private final GuardedScorer scorer;
    private final boolean asynchronous;
    private final List<Thread> threads;
    private final BlockingQueue<PassOnDevice> running = new ArrayBlockingQueue<>(MAX_IN_FLIGHT);
    private final Condition scorable;
    private long idleSince; // of the thread that finishes passes

    // guarded by the engine's lock

    /** Passes planned and not finished. */
    private int inFlight;

    /** Estimated end of the last of them, in ticker nanoseconds. */
    private long expectedEnd;

    private long expectedNanos;

    DeviceThreads(Engine engine) {
        this.engine = engine;
        this.scorer = new GuardedScorer(engine);
        this.asynchronous = engine.scorer.isAsynchronous();
        this.scorable = engine.lock.newCondition();
        this.idleSince = engine.ticker.nanos();
        this.threads = List.of(
                Engine.daemon("lychee-device", () -> repeat(this::startPass)),
                Engine.daemon("lychee-scores", () -> repeat(this::finishPass)));
    }

    void start() {
        threads.forEach(Thread::start);
    }

    List<Thread> threads() {
        return threads;
    }

    /** Wakes the device thread, under the lock. */
    void wake() {
        scorable.signalAll();
    }

    /** A planned pass on the device; without a handle it did not fit the memory. */
    private record PassOnDevice(
            Scheduler.PlannedPass planned, @Nullable PassHandle handle, long start) {}

    private interface Step {
        /** Returns false when the engine is dead. */
        boolean run() throws InterruptedException;
    }

    private void repeat(Step step) {
        try {
            while (step.run()) {}
        } catch (InterruptedException e) {
            // closed
        } catch (Throwable e) {
            engine.fail("the device failed", e);
        }
    }

    /** Plans a pass and hands it to the device: at most two, of which the second waits for the first. */
    private boolean startPass() throws InterruptedException {
        Scheduler.PlannedPass planned = takePass();
        if (planned == null) {
            return false;
        }
        long start = engine.ticker.nanos();
        PassOnDevice pass = new PassOnDevice(planned, scorer.start(planned.pass()), start);
        if (asynchronous && pass.handle != null) {
            running.put(pass);
        } else {
            if (!awaitIdle()) {
                return false;
            }
            finish(pass);
        }
        return true;
    }

    /** Takes the scores of a pass that runs beside its host as soon as they are there. */
    private boolean finishPass() throws InterruptedException {
        finish(running.take());
        return true;
    }

    private void finish(PassOnDevice ended) {
        Pass pass = ended.planned.pass();
        float[] scores = scorer.await(pass, ended.handle);
        int[] hits = ended.handle == null ? new int[0] : ended.handle.imageHits();
        long end = engine.ticker.nanos();
        long nanos = end - Math.max(ended.start, idleSince);
        idleSince = end;
        EngineCounters counters = engine.counters;
        counters.add(Counter.PASSES, 1);
        for (float score : scores) {
            counters.add(Counter.PAIRS, Float.isFinite(score) ? 1 : 0);
        }
        for (int hit : hits) {
            counters.add(Counter.IMAGE_HITS, hit);
        }
        counters.add(Counter.TOKENS, pass.tokens());
        counters.add(Counter.VISION_TOKENS, pass.visionTokens());
        counters.add(Counter.PREFIX_TOKENS_SAVED, pass.prefixTokensSaved());
        counters.add(Counter.IMAGES, pass.images());
        counters.add(Counter.BUSY_NANOS, nanos);
        engine.underLock(() -> {
            engine.scheduler.scored(ended.planned, scores, hits, nanos, end);
            inFlight--;
            scorable.signal();
            expectedEnd = end + expectedNanos; // of the one that waited, if there is one
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
                long now = engine.ticker.nanos();
                long early = inFlight == 0 ? 0 : expectedEnd - LEAD_NANOS - expectedNanos / LEAD_PART - now;
                if (inFlight == MAX_IN_FLIGHT) {
                    scorable.await();
                } else if (early > 0) {
                    long unused = scorable.awaitNanos(early);
                } else {
                    long start = inFlight == 0 ? now : Math.max(now, expectedEnd);
                    Scheduler.PlannedPass planned = engine.scheduler.nextPass(start);
                    if (planned != null) {
                        inFlight++;
                        expectedNanos = engine.scheduler.expectedNanos(planned.pass(), now);
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

    /** Blocks until only the pass that was just taken is in flight; false when the engine is dead. */
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
