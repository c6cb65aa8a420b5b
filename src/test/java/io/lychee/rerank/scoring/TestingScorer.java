package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.ModelInfo;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.IntPredicate;

/** Scores by the last token, a 128th of it; can be held or made to fail. Records its passes. */
public final class TestingScorer implements Scorer {

    final List<Pass> passes = new CopyOnWriteArrayList<>();
    public volatile CountDownLatch hold = new CountDownLatch(0);
    public volatile RuntimeException failure;
    /** Passes before {@link #failure}. */
    public volatile int lifetime;
    /** Tokens that fit the device. */
    volatile int memory = Integer.MAX_VALUE;
    /** What each pass takes. */
    public volatile int passMillis;

    /** Last tokens for which there is no number. */
    volatile IntPredicate notANumber = token -> false;

    volatile boolean closed;

    @Override
    public PassHandle start(Pass pass) {
        passes.add(pass);
        try {
            hold.await();
            TimeUnit.MILLISECONDS.sleep(passMillis);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        if (failure != null && passes.size() > lifetime) {
            throw failure;
        }
        if (pass.tokens() > memory) {
            throw new DeviceMemoryException(pass.tokens() + " tokens", null);
        }
        float[] scores = new float[pass.candidates()];
        int next = 0;
        for (Pass.Group group : pass.groups()) {
            for (PromptPart segment : group.candidates()) {
                int last = segment.tokens()[segment.tokens().length - 1];
                scores[next++] = notANumber.test(last) ? Float.NaN : logit(last / 128.0);
            }
        }
        return () -> scores;
    }

    /** Converts a score from 0 to 1. */
    public static float logit(double score) {
        double within = Math.min(Math.max(score, 1e-6), 1 - 1e-6);
        return (float) Math.log(within / (1 - within));
    }

    @Override
    public ModelInfo model() {
        return new ModelInfo("testing", "0");
    }

    @Override
    public String device() {
        return "testing";
    }

    @Override
    public void close() {
        closed = true;
    }
}
