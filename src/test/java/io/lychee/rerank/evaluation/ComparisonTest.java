package io.lychee.rerank.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What holds for all rankings; the seed is in the test's name. */
class ComparisonTest {

    private static final Measures MEASURES = new Measures(List.of(1, 5, 10), 1);
    private static final Bootstrap BOOTSTRAP = new Bootstrap(2000, 1);

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void measuresLieBetween0And1AndABetterOrderIsNoWorse(long seed) {
        Random random = new Random(seed);
        for (int round = 0; round < 200; round++) {
            List<RankedDocument> places = places(random, random.nextInt(30));
            List<Integer> judged = judged(places, random);
            double[] values = MEASURES.of(places, judged);
            assertThat(values).hasSize(MEASURES.names().size());
            for (double value : values) {
                assertThat(value).isBetween(0.0, 1.0 + 1e-12);
            }
            for (int i = 0; i + 1 < places.size(); i++) {
                if (places.get(i).grade() < places.get(i + 1).grade()) {
                    Collections.swap(places, i, i + 1);
                    double[] better = MEASURES.of(places, judged);
                    for (int m = 0; m < values.length; m++) {
                        assertThat(better[m]).as(MEASURES.names().get(m)).isGreaterThanOrEqualTo(values[m] - 1e-12);
                    }
                    values = better;
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void nothingGainedWhereNothingMoved(long seed) {
        Comparison quality = Comparison.of(queries(seed, 20, false), MEASURES, BOOTSTRAP);
        for (String name : MEASURES.names()) {
            assertThat(quality.gain(name)).isEqualTo(new PairedDifference(0, 0.0, 0.0, 1));
            assertThat(quality.was(name)).isEqualTo(quality.is(name));
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void theIntervalHoldsTheMeanAndTheSameSeedGivesTheSameOne(long seed) {
        List<JudgedQuery> queries = queries(seed, 40, true);
        Comparison quality = Comparison.of(queries, MEASURES, BOOTSTRAP);
        assertThat(Comparison.of(queries, MEASURES, BOOTSTRAP)).isEqualTo(quality);
        for (String name : MEASURES.names()) {
            PairedDifference gain = quality.gain(name);
            assertThat(gain.mean()).isCloseTo(quality.is(name) - quality.was(name), within(1e-12));
            assertThat(gain.mean()).isBetween(gain.low(), gain.high());
            // sorted by grade, nothing gets worse
            assertThat(gain.low()).isNotNegative();
        }
        assertThat(quality.gain(MEASURES.headline()).p()).isLessThan(0.01);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void theIntervalIsAsWideAsItShouldBe(long seed) {
        Random random = new Random(seed);
        List<double[]> differences = new ArrayList<>();
        double sum = 0;
        double squares = 0;
        for (int i = 0; i < 400; i++) {
            double difference = random.nextGaussian() * 0.2 + 0.01;
            differences.add(new double[] {difference});
            sum += difference;
            squares += difference * difference;
        }
        double error = Math.sqrt((squares / 400 - sum / 400 * sum / 400) / 400);
        PairedDifference gain = new Bootstrap(10_000, 1).gains(differences, 1).get(0);
        assertThat(gain.low()).isCloseTo(sum / 400 - 1.96 * error, within(0.1 * error));
        assertThat(gain.high()).isCloseTo(sum / 400 + 1.96 * error, within(0.1 * error));
    }

    @ParameterizedTest
    @ValueSource(longs = {1})
    void oneQueryHasNoInterval(long seed) {
        PairedDifference gain =
                Comparison.of(queries(seed, 1, true), MEASURES, BOOTSTRAP).gain("map");
        assertThat(gain.low()).isNull();
        assertThat(gain.interval("%+.2f", "–")).isEqualTo("–");
    }

    @ParameterizedTest
    @ValueSource(longs = {1})
    void groupsAddUpToAll(long seed) {
        List<JudgedQuery> queries = queries(seed, 30, true);
        Map<String, Comparison> groups = Comparison.by("group", queries, MEASURES, BOOTSTRAP);
        Comparison all = Comparison.of(queries, MEASURES, BOOTSTRAP);
        assertThat(groups.values().stream().mapToInt(Comparison::queries).sum()).isEqualTo(30);
        assertThat(groups.values().stream()
                        .mapToDouble(group -> group.is("map") * group.queries())
                        .sum())
                .isCloseTo(all.is("map") * 30, within(1e-9));
        assertThat(Comparison.by("other", queries, MEASURES, BOOTSTRAP)).isEmpty();
    }

    private static List<JudgedQuery> queries(long seed, int count, boolean sorted) {
        Random random = new Random(seed);
        List<JudgedQuery> queries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            List<RankedDocument> before = places(random, 10 + random.nextInt(20));
            List<RankedDocument> after = new ArrayList<>(before);
            if (sorted) {
                after.sort((a, b) -> Integer.compare(b.grade(), a.grade()));
            }
            queries.add(new JudgedQuery(
                    "q" + i, Map.of("group", "g" + random.nextInt(4)), before, after, judged(before, random)));
        }
        return queries;
    }

    private static List<RankedDocument> places(Random random, int count) {
        List<RankedDocument> places = new ArrayList<>();
        for (int i = 1; i <= count; i++) {
            int draw = random.nextInt(8);
            places.add(new RankedDocument("d" + i, null, i, null, draw == 0 ? null : Math.max(-1, draw - 4)));
        }
        return places;
    }

    /** Of what was ranked, and of some that was not. */
    private static List<Integer> judged(List<RankedDocument> places, Random random) {
        List<Integer> judged = new ArrayList<>();
        for (RankedDocument place : places) {
            if (place.relevance() != null && place.relevance() >= 0) {
                judged.add(place.relevance());
            }
        }
        for (int i = random.nextInt(5); i > 0; i--) {
            judged.add(random.nextInt(4));
        }
        return judged;
    }
}
