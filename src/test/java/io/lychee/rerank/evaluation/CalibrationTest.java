package io.lychee.rerank.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CalibrationTest {

    private static final Measures MEASURES = new Measures(List.of(10), 1);

    @Test
    void suggestsThresholdsByHand() {
        List<RankedDocument> places = new ArrayList<>();
        // 20 relevant: one at 0.30, the others at 0.57 and above; irrelevant ones at 0.2 and 0.6
        places.add(place(0.30, 1));
        for (int i = 0; i < 9; i++) {
            places.add(place(0.57, 2));
        }
        for (int i = 0; i < 10; i++) {
            places.add(place(0.9, 1));
        }
        for (int i = 0; i < 5; i++) {
            places.add(place(0.2, 0));
            places.add(place(0.6, 0));
        }
        Calibration scores = scores(places);

        assertThat(scores.drop()).isEqualTo(new Calibration.Threshold(0.57, 19.0 / 24, 0.95, 24));
        assertThat(scores.boost()).isEqualTo(new Calibration.Threshold(0.601, 1, 0.5, 10));
    }

    @Test
    void suggestsNothingWhereNothingIsKnown() {
        Calibration none = scores(List.of(new RankedDocument("a", null, 1, null, 1)));
        assertThat(none.pairs()).isZero();
        assertThat(none.drop()).isNull();
        assertThat(none.boost()).isNull();
        assertThat(none.calibrationError()).isZero();
        Calibration wrong = scores(List.of(place(1, 0), place(0, 0)));
        assertThat(wrong.drop()).isNull();
        assertThat(wrong.boost()).isNull();
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void honestScoresAreCalibratedAndRecallFalls(long seed) {
        Random random = new Random(seed);
        List<RankedDocument> honest = new ArrayList<>();
        List<RankedDocument> bold = new ArrayList<>();
        for (int i = 0; i < 20_000; i++) {
            double chance = random.nextDouble();
            int relevance = random.nextDouble() < chance ? 1 : 0;
            honest.add(place(chance, relevance));
            bold.add(place(Math.sqrt(chance), relevance));
        }
        assertThat(scores(honest).calibrationError()).isLessThan(0.02);
        // the mean of √x − x over [0, 1]
        assertThat(scores(bold).calibrationError()).isCloseTo(1.0 / 6, within(0.02));
        List<Calibration.Threshold> cuts = scores(honest).cuts();
        assertThat(cuts).hasSize(1001);
        assertThat(cuts.get(0).recall()).isEqualTo(1);
        for (int i = 1; i < cuts.size(); i++) {
            assertThat(cuts.get(i).recall()).isLessThanOrEqualTo(cuts.get(i - 1).recall());
        }
    }

    private static Calibration scores(List<RankedDocument> places) {
        return Calibration.of(List.of(new JudgedQuery("q", Map.of(), places, places, List.of())), MEASURES);
    }

    private static RankedDocument place(double score, int relevance) {
        return new RankedDocument("d", null, 1, score, relevance);
    }
}
