package io.lychee.rerank.ranking;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Latency;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.ScoredList;
import io.lychee.rerank.domain.ScoredList.Score;
import io.lychee.rerank.domain.Usage;
import io.lychee.rerank.scoring.Lists;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class RankingTest {

    @Test
    void ranksHigherScoresFirstAndKeepsRetrievalOrderOnTies() {
        RerankedList ranking = rank(4, null, scored(0.2f), scored(0.9f), scored(0.2f), scored(0.5f));

        assertThat(ranking.results()).extracting(RankedCandidate::retrievalRank).containsExactly(2, 4, 1, 3);
        assertThat(ranking.results()).extracting(RankedCandidate::rank).containsExactly(1, 2, 3, 4);
        assertThat(ranking.leftOut()).isEmpty();
    }

    @Test
    void putsUnscoredBehindScoredAndRejectedAside() {
        RerankedList ranking = rank(
                4,
                null,
                Score.missing(Reason.DEADLINE),
                Score.rejected(Reason.EMPTY, "nothing"),
                scored(0.1f),
                Score.missing(Reason.DEADLINE));

        assertThat(ranking.results()).extracting(RankedCandidate::retrievalRank).containsExactly(3, 1, 4);
        assertThat(ranking.results())
                .extracting(RankedCandidate::status)
                .containsExactly(CandidateStatus.SCORED, CandidateStatus.NOT_SCORED, CandidateStatus.NOT_SCORED);
        assertThat(ranking.results().get(1).reason()).isEqualTo(Reason.DEADLINE);
        assertThat(ranking.results().get(1).score()).isNull();
        assertThat(ranking.leftOut()).singleElement().satisfies(c -> {
            assertThat(c.status()).isEqualTo(CandidateStatus.REJECTED);
            assertThat(c.reason()).isEqualTo(Reason.EMPTY);
            assertThat(c.rank()).isNull();
        });
    }

    @Test
    void leavesOutWhatLiesBeyondTopN() {
        RerankedList ranking = rank(3, 1, scored(0.3f), scored(0.4f), scored(0.1f));

        assertThat(ranking.results()).extracting(RankedCandidate::retrievalRank).containsExactly(2);
        assertThat(ranking.leftOut()).extracting(RankedCandidate::reason).containsOnly(Reason.TOP_N);
        assertThat(ranking.leftOut())
                .as("what is left out keeps its score")
                .allSatisfy(candidate ->
                        assertThat(candidate.score()).isCloseTo(1 / (1 + Math.exp(-candidate.logit())), within(1e-7)))
                .extracting(candidate -> Math.round(candidate.score() * 10))
                .containsExactly(3L, 1L);
    }

    @Test
    void beyondTopNTooWhatHasNoScoreSaysWhy() {
        RerankedList ranking =
                rank(4, 1, scored(0.3f), Score.missing(Reason.DEADLINE), scored(0.4f), Score.missing(Reason.DEADLINE));

        assertThat(ranking.leftOut())
                .extracting(RankedCandidate::reason)
                .containsExactly(Reason.TOP_N, Reason.DEADLINE, Reason.DEADLINE);
    }

    @Test
    void holdsEveryCandidateOnceWhateverBecameOfIt() {
        for (long seed = 0; seed < 300; seed++) {
            Random random = new Random(seed);
            int n = random.nextInt(30);
            Score[] outcomes = IntStream.range(0, n)
                    .mapToObj(i -> switch (random.nextInt(3)) {
                        case 0 -> Score.missing(Reason.DEADLINE);
                        case 1 -> Score.rejected(Reason.EMPTY, "");
                        default -> scored(random.nextInt(5) / 4f);
                    })
                    .toArray(Score[]::new);
            Integer topN = random.nextBoolean() ? null : 1 + random.nextInt(20);

            RerankedList ranking = rank(n, topN, outcomes);

            List<Integer> all =
                    ranking.all().map(RankedCandidate::retrievalRank).sorted().toList();
            assertThat(all)
                    .as("seed %d", seed)
                    .isEqualTo(IntStream.rangeClosed(1, n).boxed().toList());
            assertThat(ranking.results()).as("seed %d", seed).hasSizeLessThanOrEqualTo(topN == null ? n : topN);
            assertThat(ranking.results().stream()
                            .map(RankedCandidate::rankValue)
                            .filter(v -> v != null)
                            .toList())
                    .as("seed %d", seed)
                    .isSortedAccordingTo(Comparator.reverseOrder());
        }
    }

    private static Score scored(float score) {
        return Score.scored((float) Math.log(score / (1.0 - score)), false, null);
    }

    private static RerankedList rank(int n, Integer topN, Score... scores) {
        return Ranking.rank(Lists.of("q", n, topN, null), scored(scores), Rules.NONE);
    }

    static ScoredList scored(Score... scores) {
        return new ScoredList(
                ListStatus.PARTIAL,
                Reason.DEADLINE,
                "late",
                Instant.EPOCH,
                List.of(scores),
                new Latency(1, 2, 3, 4),
                new Usage(5, 6, 7, 8),
                new ModelInfo("testing", "0"));
    }

    @Test
    void carriesWhatIsKnownOfTheListThrough() {
        ScoredList scored = scored(Score.scored(0, true, "a remark"));
        RerankedList answer = Ranking.rank(Lists.of("q", 1), scored, Rules.NONE);

        assertThat(answer.requestId()).isEqualTo("q");
        assertThat(answer.status()).isEqualTo(scored.status());
        assertThat(answer.reason()).isEqualTo(scored.reason());
        assertThat(answer.detail()).isEqualTo(scored.detail());
        assertThat(answer.answeredAt()).isEqualTo(scored.answeredAt());
        assertThat(answer.latency()).isEqualTo(scored.latency());
        assertThat(answer.usage()).isEqualTo(scored.usage());
        assertThat(answer.model()).isEqualTo(scored.model());
        assertThat(answer.results()).singleElement().satisfies(candidate -> {
            assertThat(candidate.truncated()).isTrue();
            assertThat(candidate.detail()).isEqualTo("a remark");
        });
    }
}
