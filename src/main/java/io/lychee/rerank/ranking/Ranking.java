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
import org.jspecify.annotations.Nullable;

/**
 * Ranks a scored list: boosts, then drops, then the sort, then top_n. Higher values come first, ties in retrieval
 * order, then candidates without a score in retrieval order.
 */
public final class Ranking {

    private static final Comparator<Judged> ORDER = Comparator.comparing(
            judged -> judged.verdict.rankValue(), Comparator.nullsLast(Comparator.<Double>reverseOrder()));

    private Ranking() {}

    /** Returns every candidate of the list once, kept or left out. */
    public static RerankedList rank(CandidateList list, ScoredList scored, Rules rules) {
        List<Judged> kept = new ArrayList<>();
        List<RankedCandidate> leftOut = new ArrayList<>();
        for (int i = 0; i < scored.scores().size(); i++) {
            ScoredList.Score score = scored.scores().get(i);
            Candidate candidate = list.candidates().get(i);
            Rules.Verdict verdict = rules.judge(score.value(), candidate.attributes());
            Judged judged = new Judged(candidate, i + 1, score, verdict);
            if (verdict.dropped()) {
                leftOut.add(judged.placed(null, Reason.BELOW_THRESHOLD));
            } else if (score.status() == CandidateStatus.REJECTED) {
                leftOut.add(judged.placed(null, score.reason()));
            } else {
                kept.add(judged);
            }
        }
        kept.sort(ORDER); // stable, so equal values keep retrieval order
        int topN = list.topN() == null ? kept.size() : Math.min(list.topN(), kept.size());
        List<RankedCandidate> results = new ArrayList<>(topN);
        for (Judged judged : kept) {
            Reason reason = judged.score.reason();
            if (results.size() < topN) {
                results.add(judged.placed(results.size() + 1, reason));
            } else {
                leftOut.add(judged.placed(null, judged.score.value() == null ? reason : Reason.TOP_N));
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

    /** A candidate before its place is known. */
    private record Judged(Candidate candidate, int retrievalRank, ScoredList.Score score, Rules.Verdict verdict) {

        RankedCandidate placed(@Nullable Integer rank, @Nullable Reason reason) {
            return new RankedCandidate(
                    candidate.id(),
                    rank,
                    retrievalRank,
                    candidate.retrievalScore(),
                    score.value() == null ? null : score.value().doubleValue(),
                    score.logit() == null ? null : score.logit().doubleValue(),
                    verdict.rankValue(),
                    score.status(),
                    reason,
                    score.detail(),
                    score.truncated(),
                    verdict.applied(),
                    candidate.attributes(),
                    candidate.relevance());
        }
    }
}
