package io.lychee.rerank.scoring;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class RankingTest {

    @Test
    void ranksHigherScoresFirstAndKeepsRetrievalOrderOnTies() {
        Ranking ranking = rank(4, null, scored(0.2f), scored(0.9f), scored(0.2f), scored(0.5f));

        assertThat(ranking.results()).extracting(RankedCandidate::retrievalRank).containsExactly(2, 4, 1, 3);
        assertThat(ranking.results()).extracting(RankedCandidate::rank).containsExactly(1, 2, 3, 4);
        assertThat(ranking.leftOut()).isEmpty();
    }

    @Test
    void putsUnscoredBehindScoredAndRejectedAside() {
        Ranking ranking = rank(
                4,
                null,
                CandidateState.Waiting.INSTANCE,
                new CandidateState.Rejected(Reason.EMPTY, "nothing"),
                scored(0.1f),
                CandidateState.Waiting.INSTANCE);

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
        Ranking ranking = rank(3, 1, scored(0.3f), scored(0.4f), scored(0.1f));

        assertThat(ranking.results()).extracting(RankedCandidate::retrievalRank).containsExactly(2);
        assertThat(ranking.leftOut()).extracting(RankedCandidate::reason).containsOnly(Reason.TOP_N);
        assertThat(ranking.leftOut())
                .as("what is left out keeps its score")
                .extracting(RankedCandidate::score)
                .containsExactly((double) 0.3f, (double) 0.1f);
    }

    @Test
    void beyondTopNTooWhatHasNoScoreSaysWhy() {
        Ranking ranking = rank(
                4, 1, scored(0.3f), CandidateState.Waiting.INSTANCE, scored(0.4f), CandidateState.Waiting.INSTANCE);

        assertThat(ranking.leftOut())
                .extracting(RankedCandidate::reason)
                .containsExactly(Reason.TOP_N, Reason.DEADLINE, Reason.DEADLINE);
    }

    @Test
    void holdsEveryCandidateOnceWhateverBecameOfIt() {
        for (long seed = 0; seed < 300; seed++) {
            Random random = new Random(seed);
            int n = random.nextInt(30);
            CandidateState[] outcomes = IntStream.range(0, n)
                    .mapToObj(i -> switch (random.nextInt(3)) {
                        case 0 -> CandidateState.Waiting.INSTANCE;
                        case 1 -> new CandidateState.Rejected(Reason.EMPTY, "");
                        default -> scored(random.nextInt(5) / 4f);
                    })
                    .toArray(CandidateState[]::new);
            Integer topN = random.nextBoolean() ? null : 1 + random.nextInt(20);

            Ranking ranking = rank(n, topN, outcomes);

            List<Integer> all = Stream.concat(ranking.results().stream(), ranking.leftOut().stream())
                    .map(RankedCandidate::retrievalRank)
                    .sorted()
                    .toList();
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

    private static CandidateState scored(float score) {
        return new CandidateState.Scored(score, false, null);
    }

    private static Ranking rank(int n, Integer topN, CandidateState... outcomes) {
        return Ranking.of(Lists.of("q", n, topN, null), outcomes, Rules.NONE, Reason.DEADLINE);
    }
}
