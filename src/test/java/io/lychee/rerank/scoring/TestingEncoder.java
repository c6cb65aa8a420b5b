package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * Text to one token a character; "bad" is rejected, "no-image" can't be fetched, "broken-fetch" by an error of ours;
 * "throws" by any;
 * images are never answered.
 */
public final class TestingEncoder implements Encoder {

    volatile boolean closed;

    /** What the text "throws" makes it throw. */
    volatile Throwable failure = new IllegalStateException();

    @Override
    public CompletableFuture<List<byte[]>> fetch(Content content) {
        if ("no-image".equals(content.text())) {
            return CompletableFuture.failedFuture(new RejectedException(Reason.IMAGE_NOT_FOUND, "not there"));
        }
        if ("broken-fetch".equals(content.text())) {
            return CompletableFuture.completedFuture(null);
        }
        return content.images().isEmpty() ? CompletableFuture.completedFuture(List.of()) : new CompletableFuture<>();
    }

    @Override
    public Segment encodePrefix(String instruction, Content query, List<byte[]> images) {
        return segment(query);
    }

    @Override
    public Segment encodeCandidate(Content candidate, List<byte[]> images) throws RejectedException {
        if ("bad".equals(candidate.text())) {
            throw new RejectedException(Reason.IMAGE_UNREADABLE, "broken");
        }
        if (candidate.isEmpty()) {
            throw new RejectedException(Reason.EMPTY, "nothing");
        }
        if ("throws".equals(candidate.text())) {
            throwAny();
        }
        return segment(candidate);
    }

    private void throwAny() {
        if (failure instanceof Error error) {
            throw error;
        }
        throw (RuntimeException) failure;
    }

    private static Segment segment(Content content) {
        return new Segment(content.text().chars().toArray(), List.of(), 0, false);
    }

    @Override
    public EngineStats.Fetches fetches() {
        return EngineStats.Fetches.NONE;
    }

    @Override
    public void close() {
        closed = true;
    }
}
