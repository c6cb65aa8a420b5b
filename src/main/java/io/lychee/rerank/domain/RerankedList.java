package io.lychee.rerank.domain;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The answer to a {@link CandidateList}. {@code results} and {@code leftOut} together hold every candidate that came
 * in, once.
 *
 * @param reason why the list is not {@code COMPLETE}; null when it is
 * @param results kept candidates in their new order: the scored ones, then those without a score in retrieval order
 * @param leftOut all others, in retrieval order, each with its reason
 * @param attributes the list's, carried through
 * @param shortened names the parts left out because the answer was too large for a record; null when it is whole
 */
public record RerankedList(
        String requestId,
        ListStatus status,
        @Nullable Reason reason,
        @Nullable String detail,
        Instant answeredAt,
        List<RankedCandidate> results,
        List<RankedCandidate> leftOut,
        Latency latency,
        Usage usage,
        ModelInfo model,
        Map<String, String> attributes,
        @Nullable String shortened) {

    public RerankedList {
        results = List.copyOf(results);
        leftOut = List.copyOf(leftOut);
        attributes = Map.copyOf(attributes);
    }

    /** Returns every candidate once: the results, then those left out. */
    public Stream<RankedCandidate> all() {
        return Stream.concat(results.stream(), leftOut.stream());
    }
}
