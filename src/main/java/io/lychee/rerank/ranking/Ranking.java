package io.lychee.rerank.ranking;

import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.ScoredList;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Ranks a scored list: boosts, then drops, then the sort, then top_n. Higher values come first, ties in retrieval
 * order, then candidates without a score in retrieval order.
 */
public final class Ranking {

    private static final Comparator<RankedCandidate> ORDER =
            Comparator.comparing(RankedCandidate::rankValue, Comparator.nullsLast(Comparator.<Double>reverseOrder()));

    private Ranking() {}

    /** Returns every candidate of the list once, kept or left out. */
    public static RerankedList rank(CandidateList list, ScoredList scored, Rules rules) {
        List<RankedCandidate> kept = new ArrayList<>();
        List<RankedCandidate> leftOut = new ArrayList<>();
        for (int i = 0; i < scored.scores().size(); i++) {
            ScoredList.Score score = scored.scores().get(i);
            Candidate candidate = list.candidates().get(i);
            Rules.Verdict verdict = rules.judge(score.value(), candidate.attributes());
            boolean keeps = score.status() != CandidateStatus.REJECTED && !verdict.dropped();
            (keeps ? kept : leftOut).add(unplaced(candidate, i + 1, score, verdict));
        }
        kept.sort(ORDER); // stable, so equal values keep retrieval order
        int topN = list.topN() == null ? kept.size() : Math.min(list.topN(), kept.size());
        List<RankedCandidate> results = new ArrayList<>(topN);
        for (RankedCandidate candidate : kept) {
            if (results.size() < topN) {
                results.add(candidate.placed(results.size() + 1, candidate.reason()));
            } else {
                leftOut.add(candidate.placed(null, candidate.score() == null ? candidate.reason() : Reason.TOP_N));
            }
        }
        leftOut.sort(Comparator.comparingInt(RankedCandidate::retrievalRank));
        return new RerankedList(
                list.requestId(),
                scored.status(),
                scored.reason(),
                scored.detail(),
                scored.answeredAt(),
                results,
                leftOut,
                scored.latency(),
                scored.usage(),
                scored.model(),
                list.attributes(),
                null);
    }

    private static RankedCandidate unplaced(
            Candidate candidate, int retrievalRank, ScoredList.Score score, Rules.Verdict verdict) {
        return new RankedCandidate(
                candidate.id(),
                null,
                retrievalRank,
                candidate.retrievalScore(),
                score.value() == null ? null : score.value().doubleValue(),
                verdict.rankValue(),
                score.status(),
                verdict.dropped() ? Reason.BELOW_THRESHOLD : score.reason(),
                score.detail(),
                score.truncated(),
                verdict.applied(),
                candidate.attributes(),
                candidate.relevance());
    }
}
