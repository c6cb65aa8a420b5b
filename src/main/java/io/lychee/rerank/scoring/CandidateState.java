package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.ScoredList;

/** Tracks one candidate of a list in flight. */
sealed interface CandidateState {

    /** Not encoded yet. */
    enum Waiting implements CandidateState {
        INSTANCE
    }

    /** Encoded, not yet in a pass. */
    record Ready(PromptPart part) implements CandidateState {}

    /** In a pass that the device has. */
    record Running(PromptPart part) implements CandidateState {}

    /** Scored or rejected. */
    record Settled(ScoredList.Score score) implements CandidateState {}
}
