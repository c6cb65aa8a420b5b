package io.lychee.rerank.domain;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One candidate of a list. Candidates are told apart by their position: ids may repeat.
 *
 * @param retrievalScore what the retriever gave it, carried through
 * @param attributes carried through, and read by rules
 * @param relevance a known answer, for evaluation only, carried through
 */
public record Candidate(
        String id,
        Content content,
        @Nullable Double retrievalScore,
        Map<String, String> attributes,
        @Nullable Integer relevance) {

    public Candidate {
        attributes = Map.copyOf(attributes);
    }
}
