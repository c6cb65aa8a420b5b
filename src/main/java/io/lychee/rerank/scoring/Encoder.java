package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.RejectedException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** Encodes text and images to {@link PromptPart}s; fetches images without a CPU thread. Thread-safe. */
public interface Encoder extends AutoCloseable {

    /**
     * Fetches the encoded bytes of every image, in order. Never blocks the caller.
     *
     * @return completes exceptionally with {@link RejectedException} when one can't be had; never with part of them
     */
    CompletableFuture<List<byte[]>> fetch(Content content);

    /**
     * Cleans and encodes the part of the prompt that all candidates of a list share.
     *
     * @param instruction null takes the default
     * @param images bytes of all images of the query, in order
     * @throws RejectedException when an image can't be decoded or a limit is passed
     */
    PromptPart encodePrefix(@Nullable String instruction, Content query, List<byte[]> images) throws RejectedException;

    /**
     * Cleans and encodes the rest of the prompt, for one candidate.
     *
     * @throws RejectedException when an image can't be decoded or a limit is passed
     */
    PromptPart encodeCandidate(Candidate candidate, List<byte[]> images) throws RejectedException;

    /** Counts images so far that needed no decoding because they had been decoded before. */
    default long imageHits() {
        return 0;
    }

    /**
     * Images fetched by reference so far, tries and redirects counted as one.
     *
     * @param count ended, well or not
     * @param failures of these, those that brought no image
     * @param nanos from asking to the end, summed
     */
    record Fetches(long count, long failures, long bytes, long nanos) {}

    Fetches fetches();

    @Override
    void close();
}
