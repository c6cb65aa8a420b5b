package io.lychee.rerank.ranking;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.ScoredList;
import io.lychee.rerank.domain.ScoredList.Score;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class RulesTest {

    private static final Rules SHOP =
            Rules.parse(List.of("weak: score < 0.4 -> drop", " seller: score > 0.75 and sales > 1000 -> boost 0.1"));

    @Test
    void boostsThenDropsThenSorts() {
        CandidateList list = new CandidateList(
                "q",
                null,
                Map.of(),
                new Content("query", List.of()),
                List.of(candidate("5000"), candidate("10"), candidate("5000"), candidate("9")),
                null,
                null);
        ScoredList scored = RankingTest.scored(scored(0.8f), scored(0.85f), scored(0.3f), scored(0.5f));

        RerankedList ranking = Ranking.rank(list, scored, SHOP);

        assertThat(ranking.results()).extracting(RankedCandidate::retrievalRank).containsExactly(1, 2, 4);
        assertThat(ranking.results().get(0).rankValue()).isEqualTo((double) 0.8f + 0.1);
        assertThat(ranking.results().get(0).score())
                .as("the score stays the model's")
                .isEqualTo((double) 0.8f);
        assertThat(ranking.results().get(0).rules()).containsExactly("seller");
        assertThat(ranking.leftOut()).singleElement().satisfies(c -> {
            assertThat(c.reason()).isEqualTo(Reason.BELOW_THRESHOLD);
            assertThat(c.rules()).containsExactly("weak");
            assertThat(c.score()).isEqualTo((double) 0.3f);
        });
    }

    @Test
    void attributesCompareAsNumbersOrAsText() {
        Rules rules = Rules.parse(List.of(
                "a: brand = acme co -> boost 1",
                "b: brand != acme co -> boost 2",
                "c: sales >= 10 -> boost 4",
                "d: brand > 3 -> boost 8",
                "e: missing = x -> boost 16",
                "f: sales = 1e1 -> boost 32"));

        assertThat(rules.judge(0f, Map.of("brand", "acme co", "sales", "10")).rankValue())
                .isEqualTo(1 + 4 + 32);
        assertThat(rules.judge(0f, Map.of("brand", "other", "sales", "9")).rankValue())
                .isEqualTo(2);
        assertThat(rules.judge(0f, Map.of()).applied()).isEmpty();
    }

    @Test
    void refusalsSayWhichRuleAndWhy() {
        assertThatThrownBy(() -> Rules.parse(List.of("score < 0.4")))
                .isInstanceOf(ConfigException.class)
                .hasMessageStartingWith("rules: ")
                .hasMessageContaining("\"score < 0.4\" is no rule");
        assertThatThrownBy(() -> Rules.parse(List.of("a: score < low -> drop"))).hasMessageContaining("\"low\"");
        assertThatThrownBy(() -> Rules.parse(List.of("a: score 4 -> drop"))).hasMessageContaining("\"score 4\"");
        assertThatThrownBy(() -> Rules.parse(List.of("a: score > 0 -> boost much")))
                .hasMessageContaining("\"much\"");
    }

    private static Candidate candidate(String sales) {
        return new Candidate("c", new Content("text", List.of()), null, Map.of("sales", sales), null);
    }

    private static Score scored(float score) {
        return Score.scored((float) Math.log(score / (1.0 - score)), false, null);
    }

    @Test
    void namesTheAttributesOfItsConditions() {
        assertThat(Rules.parse(List.of(
                                "a: score < 0.4 -> drop", "b: score > 0.7 and sales > 10 and brand = x -> boost 1"))
                        .attributes())
                .containsExactly("brand", "sales");
    }
}
