package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;

/**
 * Text to one token a character; "bad" is rejected, "no-image" can't be fetched, "broken-fetch" by an error of ours;
 * "throws" by any; other images are never answered.
 */
public final class TestingEncoder implements Encoder {

    volatile boolean closed;

    /** What the text "throws" makes it throw. */
    volatile Throwable failure = new IllegalStateException();

    /** Until it is counted down, "hangs" keeps a processor busy, and "waits" none. */
    final CountDownLatch stuck = new CountDownLatch(1);

    /** Threads that encoded a text. */
    final Set<Thread> encoding = ConcurrentHashMap.newKeySet();

    @Override
    public CompletableFuture<List<byte[]>> fetch(Content content) {
        if ("no-image".equals(content.text())) {
            return CompletableFuture.failedFuture(new RejectedException(Reason.IMAGE_NOT_FOUND, "not there"));
        }
        if ("broken-fetch".equals(content.text())) {
            return CompletableFuture.completedFuture(null);
        }
        return new CompletableFuture<>();
    }

    @Override
    public PromptPart encodePrefix(String instruction, Content query, List<byte[]> images) {
        if ("throws".equals(query.text())) {
            throwAny();
        }
        return segment(query);
    }

    @Override
    public PromptPart encodeCandidate(Candidate encoded, List<byte[]> images) throws RejectedException {
        Content candidate = encoded.content();
        if ("bad".equals(candidate.text())) {
            throw new RejectedException(Reason.IMAGE_UNREADABLE, "broken");
        }
        if (candidate.isEmpty()) {
            throw new RejectedException(Reason.EMPTY, "nothing");
        }
        if ("throws".equals(candidate.text())) {
            throwAny();
        }
        while ("hangs".equals(candidate.text()) && stuck.getCount() > 0) {
            Thread.onSpinWait();
        }
        if ("waits".equals(candidate.text())) {
            await();
        }
        return segment(candidate);
    }

    private void await() {
        try {
            stuck.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private void throwAny() {
        if (failure instanceof Error error) {
            throw error;
        }
        throw (RuntimeException) failure;
    }

    private PromptPart segment(Content content) {
        encoding.add(Thread.currentThread());
        return new PromptPart(content.text().chars().toArray(), List.of(), 0, false);
    }

    @Override
    public Fetches fetches() {
        return new Fetches(0, 0, 0, 0);
    }

    @Override
    public void close() {
        closed = true;
    }
}
