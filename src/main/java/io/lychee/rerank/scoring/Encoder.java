package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.RejectedException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * Text and images to {@link PromptPart}s: fetching without a CPU thread, then preparing and encoding on one.
 * Thread-safe.
 */
public interface Encoder extends AutoCloseable {

    /** The query with its text as it shall be read. */
    default Content prepare(Content query) {
        return query;
    }

    /** What of the candidate shall be read. */
    default Content prepare(Candidate candidate) {
        return candidate.content();
    }

    /**
     * Brings the encoded bytes of every image, in order. Never blocks the caller.
     *
     * @return completes exceptionally with {@link RejectedException} when one can't be had; never with part of them
     */
    CompletableFuture<List<byte[]>> fetch(Content content);

    /**
     * The part of the prompt that all candidates of a list share.
     *
     * @param instruction null takes the default
     * @throws RejectedException when an image can't be decoded or a limit is passed
     */
    PromptPart encodePrefix(@Nullable String instruction, Content query, List<byte[]> images) throws RejectedException;

    /**
     * The rest of the prompt, for one candidate.
     *
     * @throws RejectedException when an image can't be decoded or a limit is passed
     */
    PromptPart encodeCandidate(Content candidate, List<byte[]> images) throws RejectedException;

    /** Images so far that were neither decoded nor resized because they had been before. */
    default long imageHits() {
        return 0;
    }

    /** Images fetched by reference so far. */
    EngineStats.Fetches fetches();

    @Override
    void close();
}
