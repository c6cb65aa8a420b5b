package io.lychee.rerank.domain;

import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Holds what an engine made of a {@link CandidateList}, before it is ranked.
 *
 * @param reason why the list is not {@code COMPLETE}; null when it is
 * @param scores one for each candidate, in retrieval order
 */
public record ScoredList(
        ListStatus status,
        @Nullable Reason reason,
        @Nullable String detail,
        Instant answeredAt,
        List<Score> scores,
        Latency latency,
        Usage usage,
        ModelInfo model) {

    /**
     * Outcome of one candidate.
     *
     * @param logit of "yes" less that of "no", the network's relevance; null when it has none
     * @param detail a sentence about the reason, for people
     * @param truncated its text was cut at {@code text.max-candidate-tokens}
     */
    public record Score(
            CandidateStatus status,
            @Nullable Float logit,
            @Nullable Reason reason,
            @Nullable String detail,
            boolean truncated) {

        public static Score scored(float logit, boolean truncated, @Nullable String remark) {
            return new Score(CandidateStatus.SCORED, logit, null, remark, truncated);
        }

        /** Returns the probability of "yes" against "no", in [0, 1]; null without a logit. */
        public @Nullable Float value() {
            return logit == null ? null : (float) (1 / (1 + Math.exp(-logit)));
        }

        public static Score rejected(Reason reason, String detail) {
            return new Score(CandidateStatus.REJECTED, null, reason, detail, false);
        }

        /** Marks a candidate that got no score before its list was answered. */
        public static Score missing(@Nullable Reason reason) {
            return new Score(CandidateStatus.NOT_SCORED, null, reason, null, false);
        }
    }

    public ScoredList {
        scores = List.copyOf(scores);
    }
}
