package io.lychee.rerank.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;

class NdcgMeasureTest {

    @Test
    void countsRelevanceDiscountedByPlace() {
        List<Integer> order = List.of(3, 2, 3, 0, 1, 2);
        // 3 + 2/log2(3) + 3/2 + 0 + 1/log2(6) + 2/log2(7) over 3 + 3/log2(3) + 2/2 + 2/log2(5) + 1/log2(6)
        assertThat(Measures.ndcg(10, order, order)).isCloseTo(6.861127 / 7.140995, within(1e-6));
        assertThat(Measures.ndcg(1, order, order)).isEqualTo(1);
    }

    @Test
    void theIdealKnowsWhatWasNotRanked() {
        assertThat(Measures.ndcg(10, List.of(1), List.of(1, 1))).isCloseTo(1 / (1 + 1 / 1.5849625), within(1e-6));
    }

    @Test
    void isZeroWhereNothingIsRelevant() {
        assertThat(Measures.ndcg(10, List.of(0, 0), List.of(0, 0))).isZero();
        assertThat(Measures.ndcg(10, List.of(), List.of())).isZero();
    }
}
