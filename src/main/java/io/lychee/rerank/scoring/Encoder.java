package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.RejectedException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** Text and images to {@link Segment}s: fetching without a CPU thread, then encoding on one. Thread-safe. */
public interface Encoder extends AutoCloseable {

    /** The list with its texts as they shall be read; before anything else, on the submitting thread. Never fails. */
    default CandidateList prepare(CandidateList list) {
        return list;
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
    Segment encodePrefix(@Nullable String instruction, Content query, List<byte[]> images) throws RejectedException;

    /**
     * The rest of the prompt, for one candidate.
     *
     * @throws RejectedException when an image can't be decoded or a limit is passed
     */
    Segment encodeCandidate(Content candidate, List<byte[]> images) throws RejectedException;

    /** Images so far that were neither decoded nor resized because they had been before. */
    default long imageHits() {
        return 0;
    }

    /** Images fetched by reference so far. */
    EngineStats.Fetches fetches();

    @Override
    void close();
}
