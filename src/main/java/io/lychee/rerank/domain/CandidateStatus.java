package io.lychee.rerank.domain;

/** Outcome of one candidate. */
public enum CandidateStatus {
    SCORED,
    /** Something is wrong with the candidate itself; see its {@link Reason}. */
    REJECTED,
    /** Nothing is known to be wrong with it, but no score came in time or could come. */
    NOT_SCORED
}
