package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Reason;
import org.jspecify.annotations.Nullable;

/** Where one candidate of a list in flight stands. */
sealed interface CandidateState {

    /** Not encoded yet. */
    enum Waiting implements CandidateState {
        INSTANCE
    }

    /** Encoded, not yet in a pass. */
    record Ready(PromptPart segment) implements CandidateState {}

    /** In the pass that the device works on. */
    record Running(PromptPart segment) implements CandidateState {}

    /** @param detail a remark for people, or null */
    record Scored(float score, boolean truncated, @Nullable String detail) implements CandidateState {}

    record Rejected(Reason reason, String detail) implements CandidateState {}

    /** Names why a pass came to no score. */
    static CandidateState unscored(float score) {
        return score == GuardedScorer.NO_MEMORY
                ? new Rejected(Reason.OUT_OF_MEMORY, "query and candidate don't fit the device's memory, even alone")
                : new Rejected(Reason.NOT_A_NUMBER, "the network comes to no number for query and candidate");
    }

    default boolean settled() {
        return this instanceof Scored || this instanceof Rejected;
    }
}
