package io.lychee.rerank.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AgreementTest {

    private static final double[] FALLING = {.99, .95, .9, .85, .8, .75, .7, .65, .6, .5, .4, .3};

    @TempDir
    private Path folder;

    @Test
    void scoreErrorAndTau() throws IOException {
        Agreement agreement = agreement(list("q", .9, .8, .7), list("q", .9, .6, .7));
        assertThat(agreement.lists()).isEqualTo(1);
        assertThat(agreement.candidates()).isEqualTo(3);
        assertThat(agreement.error().mean()).isCloseTo(0.2 / 3, within(1e-12));
        assertThat(agreement.error().p99()).isCloseTo(0.2, within(1e-12));
        assertThat(agreement.error().max()).isCloseTo(0.2, within(1e-12));
        assertThat(agreement.error().counts()).containsExactly(2, 0, 0, 0, 0, 0, 1);
        // two pairs in the same order, one in the other
        assertThat(agreement.tau()).isEqualTo(new Agreement.Mean(1, 1 / 3.0));
        // no list has more than ten candidates
        assertThat(agreement.overlap()).isEqualTo(new Agreement.Mean(0, null));
        assertThat(agreement.changed()).isZero();
        assertThat(agreement.quality()).isNull();
    }

    @Test
    void p99IsTheNearestRank() throws IOException {
        double[] base = new double[200];
        double[] compared = new double[200];
        Arrays.setAll(compared, i -> (i + 1) / 1000.0);
        Agreement.Errors error = agreement(list("q", base), list("q", compared)).error();
        assertThat(error.p99()).isEqualTo(0.198);
        assertThat(error.max()).isEqualTo(0.2);
        assertThat(error.mean()).isCloseTo(0.1005, within(1e-12));
    }

    @Test
    void pairsTiedInEitherFileHaveNoSayInTau() throws IOException {
        String reversed = list("reversed", .1, .2);
        Agreement agreement = agreement(
                list("tied", .9, .5, .5) + list("all", .5, .5) + list("reversed", .2, .1),
                list("tied", .9, .4, .6) + list("all", .5, .6) + reversed);
        // 1 of "tied", none of "all", -1 of "reversed"
        assertThat(agreement.tau()).isEqualTo(new Agreement.Mean(2, 0.0));
        assertThat(agreement(list("all", .5, .5), list("all", .5, .6)).tau()).isEqualTo(new Agreement.Mean(0, null));
    }

    @Test
    void anExchangeAtTheTenthPlaceChangesTheTopTen() throws IOException {
        Agreement agreement = agreement(
                list("same", FALLING) + list("swapped", FALLING),
                list("same", FALLING) + list("swapped", with(9, .4, with(10, .5, FALLING))));
        assertThat(agreement.overlap()).isEqualTo(new Agreement.Mean(2, 0.95));
        assertThat(agreement.changed()).isEqualTo(1);
        assertThat(agreement.ties()).isZero();
        assertThat(agreement.exchanged()).containsExactly(1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    }

    @Test
    void tiesAtTheTenthPlaceAreNoExchange() throws IOException {
        // the tenth and eleventh tie in one file
        double[] tied = with(10, .5, FALLING);
        double[] eleventhFirst = with(10, .55, FALLING);
        tiesAlone(agreement(list("q", tied), list("q", eleventhFirst)));
        tiesAlone(agreement(list("q", eleventhFirst), list("q", tied)));
        // two places for four, in both files
        double[] four = with(8, .3, with(9, .3, with(10, .3, FALLING)));
        tiesAlone(agreement(list("q", four), list("q", with(10, .61, with(11, .61, FALLING)))));
        // a tie that both files break alike, and one above the tenth place
        Agreement alike = agreement(list("q", tied), list("q", with(1, .99, tied)));
        assertThat(alike.ties()).isZero();
        assertThat(alike.changed()).isZero();
        // the last rises to the top: what falls out is one of the tied, and it is no tie in the other file
        Agreement risen = agreement(list("q", tied), list("q", with(11, 1, tied)));
        assertThat(risen.changed()).isEqualTo(1);
        assertThat(risen.ties()).isZero();
        assertThat(risen.overlap().mean()).isEqualTo(0.9);
    }

    private static void tiesAlone(Agreement agreement) {
        assertThat(agreement.ties()).isEqualTo(1);
        assertThat(agreement.changed()).isZero();
        assertThat(agreement.overlap()).isEqualTo(new Agreement.Mean(1, 1.0));
    }

    /** Among all top tens that the scores allow, the two that share most. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void exchangesAreThoseOfTheBestChoiceAmongTies(long seed) {
        Random random = new Random(seed);
        for (int draw = 0; draw < 100; draw++) {
            int candidates = 9 + random.nextInt(5);
            int levels = 2 + random.nextInt(6);
            Map<String, Double> base = new LinkedHashMap<>();
            Map<String, Double> compared = new LinkedHashMap<>();
            for (int c = 0; c < candidates; c++) {
                base.put("c" + c, random.nextInt(levels) / 10.0);
                compared.put("c" + c, random.nextInt(levels) / 10.0);
            }
            int most = 0;
            for (int first : tops(List.copyOf(base.values()))) {
                for (int second : tops(List.copyOf(compared.values()))) {
                    most = Math.max(most, Integer.bitCount(first & second));
                }
            }
            assertThat(ListAgreement.of(base, compared).exchanged())
                    .as("seed %d, draw %d: %s, %s", seed, draw, base, compared)
                    .isEqualTo(Math.min(10, candidates) - most);
        }
    }

    private static List<Integer> tops(List<Double> scores) {
        List<Integer> tops = new ArrayList<>();
        for (int set = 0; set < 1 << scores.size(); set++) {
            if (Integer.bitCount(set) == Math.min(10, scores.size())) {
                double lowestIn = 1;
                double highestOut = 0;
                for (int c = 0; c < scores.size(); c++) {
                    if ((set >> c & 1) == 1) {
                        lowestIn = Math.min(lowestIn, scores.get(c));
                    } else {
                        highestOut = Math.max(highestOut, scores.get(c));
                    }
                }
                if (lowestIn >= highestOut) {
                    tops.add(set);
                }
            }
        }
        return tops;
    }

    @Test
    void whatOneFileAloneHoldsIsCountedAndNamed() throws IOException {
        StringBuilder alone = new StringBuilder();
        for (int i = 1; i <= 7; i++) {
            alone.append(list("alone-" + i, .5));
        }
        Agreement agreement = agreement(
                alone + list("q", .9, .8, .7, .6),
                list("r", .5) + list("q", .9, .8).replace("\"c2\"", "\"new\""));
        assertThat(agreement.lists()).isEqualTo(1);
        assertThat(agreement.candidates()).isEqualTo(1);
        assertThat(agreement.base())
                .isEqualTo(new Agreement.Alone(
                        7,
                        List.of("alone-1", "alone-2", "alone-3", "alone-4", "alone-5"),
                        3,
                        List.of("q/c2", "q/c3", "q/c4")));
        assertThat(agreement.compared()).isEqualTo(new Agreement.Alone(1, List.of("r"), 1, List.of("q/new")));
        assertThat(new AgreementReport("a", "b", agreement).leftOut().get(0))
                .containsExactly("lists in A alone", "7", "alone-1, alone-2, alone-3, alone-4, alone-5, …");
    }

    @Test
    void candidatesWithoutAScoreInEitherFileAreLeftOut() throws IOException {
        Agreement agreement = agreement(
                answer("q", new Double[] {.9, null, .7, null}) + answer("none", new Double[] {null, null}),
                answer("q", new Double[] {.9, .8, null, null}) + list("none", .2, .1));
        assertThat(agreement.lists()).isEqualTo(2);
        assertThat(agreement.candidates()).isEqualTo(1);
        assertThat(agreement.unscored()).isEqualTo(5);
        assertThat(agreement.base().candidates()).isZero();
    }

    @Test
    void idsThatRepeatAreLeftOut() throws IOException {
        String twice = list("q", .9, .8, .7).replace("\"c3\"", "\"c1\"");
        Agreement agreement = agreement(twice, list("q", .9, .8, .7));
        assertThat(agreement.candidates()).isEqualTo(1);
        assertThat(agreement.repeated()).isEqualTo(1);
        assertThat(agreement.compared().firstCandidates()).containsExactly("q/c3");
    }

    @Test
    void ranksFollowTheScoresAlsoOfCandidatesBelowTopN() throws IOException {
        List<RankedCandidate> all = new ArrayList<>();
        for (int c = 0; c < FALLING.length; c++) {
            all.add(Samples.candidate("c" + (c + 1), c + 1, FALLING[c], null, null));
        }
        String cut = Samples.json(Samples.answer("q", ListStatus.COMPLETE, all, 2, Map.of()));
        Agreement agreement = agreement(cut, list("q", FALLING));
        assertThat(agreement.candidates()).isEqualTo(12);
        assertThat(agreement.overlap().mean()).isEqualTo(1);
        assertThat(agreement.ties()).isZero();
    }

    @Test
    void qualityOfTheListsJudgedAlike() throws IOException {
        Agreement agreement = agreement(
                judged("q", .9, 0, .8, 1) + judged("other", .9, 0, .8, 1) + list("none", .5),
                judged("q", .7, 0, .8, 1) + judged("other", .9, 2, .8, 1) + list("none", .5));
        assertThat(agreement.lists()).isEqualTo(3);
        Comparison quality = agreement.quality();
        assertThat(quality.queries()).isEqualTo(1);
        // the relevant one second, then first
        assertThat(quality.was("ndcg_cut_10")).isCloseTo(Math.log(2) / Math.log(3), within(1e-12));
        assertThat(quality.is("ndcg_cut_10")).isEqualTo(1);
    }

    @Test
    void qrelsReplaceTheRelevance() throws IOException {
        Path qrels = Files.writeString(folder.resolve("qrels"), "q 0 c1 0\nq 0 c2 1\nq 0 没有 1\n");
        Map<String, Map<String, Integer>> judgements = TrecFiles.judgements(qrels);
        assertThat(judgements).isEqualTo(Map.of("q", Map.of("c1", 0, "c2", 1, "没有", 1)));
        AnswerFile base =
                read("base", judged("q", .9, 1, .8, 0) + list("unjudged", .5)).judgedBy(judgements);
        Agreement agreement = Agreement.of(
                base, read("compared", list("q", .7, .8)).judgedBy(judgements), measures(), new Bootstrap(100, 1));
        double second = Math.log(2) / Math.log(3);
        assertThat(agreement.quality().queries()).isEqualTo(1);
        assertThat(agreement.quality().was("ndcg_cut_10")).isCloseTo(second / (1 + second), within(1e-12));
        assertThat(agreement.quality().is("ndcg_cut_10")).isCloseTo(1 / (1 + second), within(1e-12));
    }

    @Test
    void filesThatShareNothing() {
        refuses("no list in common (here q, there r", list("q", .5), list("r", .5));
        refuses("no candidate with a score in both", list("q", .5), answer("q", new Double[] {null}));
    }

    @Test
    void theReportIsOnePageThatLoadsNothing() throws IOException {
        Agreement agreement = agreement(list("<q>", .5) + judged("q", .9, 0, .8, 1), judged("q", .7, 0, .8, 1));
        String html = new AgreementReport("<script>", "b.jsonl", agreement).html();
        assertThat(html)
                .startsWith("<!DOCTYPE html>")
                .contains("default-src 'none'", "A: &lt;script&gt;, B: b.jsonl; 1 lists and 2 candidates compared")
                .contains("&lt;q&gt;", "<title>≥ 0.1: 1</title>", "0.6309 → 1.0000", "+0.3691 (one list)")
                .doesNotContain("<script", "src=\"", "href=", "{{");
    }

    private Agreement agreement(String base, String compared) throws IOException {
        return Agreement.of(read("base", base), read("compared", compared), measures(), new Bootstrap(100, 1));
    }

    private static Measures measures() {
        return new Measures(List.of(10), 1);
    }

    private AnswerFile read(String name, String lines) throws IOException {
        return AnswerFile.readAll(Files.writeString(folder.resolve(name), lines));
    }

    private void refuses(String told, String base, String compared) {
        assertThatThrownBy(() -> agreement(base, compared))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining(told);
    }

    private static double[] with(int at, double score, double[] scores) {
        double[] changed = scores.clone();
        changed[at] = score;
        return changed;
    }

    private static String list(String id, double... scores) {
        return answer(id, Arrays.stream(scores).boxed().toArray(Double[]::new));
    }

    /** Candidates c1, c2, ... */
    private static String answer(String id, @Nullable Double[] scores) {
        List<RankedCandidate> all = new ArrayList<>();
        for (int c = 1; c <= scores.length; c++) {
            all.add(Samples.candidate("c" + c, c, scores[c - 1], null, null));
        }
        return Samples.json(Samples.answer(id, ListStatus.COMPLETE, all, all.size(), Map.of()));
    }

    private static String judged(String id, double first, int firstGrade, double second, int secondGrade) {
        List<RankedCandidate> all = List.of(
                Samples.candidate("c1", 1, first, firstGrade, null),
                Samples.candidate("c2", 2, second, secondGrade, null));
        return Samples.json(Samples.answer(id, ListStatus.COMPLETE, all, 2, Map.of()));
    }
}
