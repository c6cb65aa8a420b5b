package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Scores to an order: boosts, then drops, then the sort (higher first, ties in retrieval order, then what has no score,
 * in retrieval order), then top_n.
 */
record Ranking(List<RankedCandidate> results, List<RankedCandidate> leftOut) {

    /** @param missing why candidates that are not settled have no score */
    static Ranking of(CandidateList list, CandidateState[] outcomes, Rules rules, @Nullable Reason missing) {
        List<RankedCandidate> kept = new ArrayList<>();
        List<RankedCandidate> leftOut = new ArrayList<>();
        for (int i = 0; i < outcomes.length; i++) {
            Candidate candidate = list.candidates().get(i);
            if (outcomes[i] instanceof CandidateState.Scored scored) {
                Rules.Verdict verdict = rules.judge(scored.score(), candidate.attributes());
                (verdict.dropped() ? leftOut : kept).add(scored(candidate, i + 1, scored, verdict));
            } else if (outcomes[i] instanceof CandidateState.Rejected rejected) {
                leftOut.add(unscored(candidate, i + 1, CandidateStatus.REJECTED, rejected.reason(), rejected.detail()));
            } else {
                kept.add(unscored(candidate, i + 1, CandidateStatus.NOT_SCORED, missing, null));
            }
        }
        // stable, so equal values keep retrieval order
        kept.sort(Comparator.comparing(
                RankedCandidate::rankValue, Comparator.nullsLast(Comparator.<Double>reverseOrder())));
        int keep = list.topN() == null ? kept.size() : Math.min(list.topN(), kept.size());
        List<RankedCandidate> results = new ArrayList<>(keep);
        for (int i = 0; i < kept.size(); i++) {
            if (i < keep) {
                results.add(kept.get(i).placed(i + 1, kept.get(i).reason()));
            } else {
                RankedCandidate beyond = kept.get(i);
                leftOut.add(beyond.placed(null, beyond.score() == null ? beyond.reason() : Reason.TOP_N));
            }
        }
        leftOut.sort(Comparator.comparingInt(RankedCandidate::retrievalRank));
        return new Ranking(results, leftOut);
    }

    private static RankedCandidate scored(
            Candidate candidate, int retrievalRank, CandidateState.Scored scored, Rules.Verdict verdict) {
        return new RankedCandidate(
                candidate.id(),
                null,
                retrievalRank,
                candidate.retrievalScore(),
                (double) scored.score(),
                verdict.rankValue(),
                CandidateStatus.SCORED,
                verdict.dropped() ? Reason.BELOW_THRESHOLD : null,
                scored.detail(),
                scored.truncated(),
                verdict.applied(),
                candidate.attributes(),
                candidate.relevance());
    }

    private static RankedCandidate unscored(
            Candidate candidate,
            int retrievalRank,
            CandidateStatus status,
            @Nullable Reason reason,
            @Nullable String detail) {
        return new RankedCandidate(
                candidate.id(),
                null,
                retrievalRank,
                candidate.retrievalScore(),
                null,
                null,
                status,
                reason,
                detail,
                false,
                List.of(),
                candidate.attributes(),
                candidate.relevance());
    }
}
