package io.lychee.rerank.domain;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One candidate of an answer.
 *
 * @param rank 1-based place in the results; null where it was left out
 * @param retrievalRank 1-based place in the list that came in
 * @param score the model's, in [0, 1]; null when not scored, never invented
 * @param logit of which the score is the sigmoid; it tells candidates apart where scores round to 0 or 1
 * @param rankValue what was sorted by: the score after boosts; null when not scored
 * @param detail a sentence about the reason, for people
 * @param truncated its text was cut at {@code text.max-candidate-tokens}
 * @param rules names of the rules that applied to it
 */
public record RankedCandidate(
        String id,
        @Nullable Integer rank,
        int retrievalRank,
        @Nullable Double retrievalScore,
        @Nullable Double score,
        @Nullable Double logit,
        @Nullable Double rankValue,
        CandidateStatus status,
        @Nullable Reason reason,
        @Nullable String detail,
        boolean truncated,
        List<String> rules,
        Map<String, String> attributes,
        @Nullable Integer relevance) {

    public RankedCandidate {
        rules = List.copyOf(rules);
        attributes = Map.copyOf(attributes);
    }
}
