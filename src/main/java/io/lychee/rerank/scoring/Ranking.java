package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Scores to an order: higher first, ties in retrieval order, then what has no score, in retrieval order. */
record Ranking(List<RankedCandidate> results, List<RankedCandidate> leftOut) {

    /** @param missing why candidates that are not settled have no score */
    static Ranking of(
            List<Candidate> candidates, Outcome[] outcomes, @Nullable Integer topN, @Nullable Reason missing) {
        List<RankedCandidate> kept = new ArrayList<>();
        List<RankedCandidate> leftOut = new ArrayList<>();
        for (int i = 0; i < outcomes.length; i++) {
            RankedCandidate ranked = describe(candidates.get(i), i + 1, outcomes[i], missing);
            (ranked.status() == CandidateStatus.REJECTED ? leftOut : kept).add(ranked);
        }
        // stable, so equal values keep retrieval order
        kept.sort(Comparator.comparing(
                RankedCandidate::rankValue, Comparator.nullsLast(Comparator.<Double>reverseOrder())));
        int keep = topN == null ? kept.size() : Math.min(topN, kept.size());
        List<RankedCandidate> results = new ArrayList<>(keep);
        for (int i = 0; i < kept.size(); i++) {
            if (i < keep) {
                results.add(placed(kept.get(i), i + 1, kept.get(i).reason()));
            } else {
                leftOut.add(placed(kept.get(i), null, Reason.TOP_N));
            }
        }
        leftOut.sort(Comparator.comparingInt(RankedCandidate::retrievalRank));
        return new Ranking(results, leftOut);
    }

    private static RankedCandidate describe(
            Candidate candidate, int retrievalRank, Outcome outcome, @Nullable Reason missing) {
        Double score = null;
        CandidateStatus status = CandidateStatus.NOT_SCORED;
        Reason reason = missing;
        String detail = null;
        boolean truncated = false;
        if (outcome instanceof Outcome.Scored scored) {
            score = (double) scored.score();
            status = CandidateStatus.SCORED;
            reason = null;
            detail = scored.detail();
            truncated = scored.truncated();
        } else if (outcome instanceof Outcome.Rejected rejected) {
            status = CandidateStatus.REJECTED;
            reason = rejected.reason();
            detail = rejected.detail();
        }
        return new RankedCandidate(
                candidate.id(),
                null,
                retrievalRank,
                candidate.retrievalScore(),
                score,
                score,
                status,
                reason,
                detail,
                truncated,
                List.of(),
                candidate.attributes(),
                candidate.relevance());
    }

    private static RankedCandidate placed(RankedCandidate c, @Nullable Integer rank, @Nullable Reason reason) {
        return new RankedCandidate(
                c.id(),
                rank,
                c.retrievalRank(),
                c.retrievalScore(),
                c.score(),
                c.rankValue(),
                c.status(),
                reason,
                c.detail(),
                c.truncated(),
                c.rules(),
                c.attributes(),
                c.relevance());
    }
}
