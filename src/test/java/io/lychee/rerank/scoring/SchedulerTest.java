package io.lychee.rerank.scoring;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.Latency;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.ScoredList;
import io.lychee.rerank.scoring.EngineCounters.Counter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

class SchedulerTest extends SchedulerFixture {

    @Test
    void takesWholeListsWhileTheyFit() {
        for (String id : List.of("a", "b", "c")) {
            encodeAll(add(Lists.of(id, 2), Lane.BACKFILL, 0), 10, 5);
        }

        assertThat(ids(scheduler.nextPass(ticker.nanos()))).containsExactly("a", "b");
        assertThat(ids(scheduler.nextPass(ticker.nanos()))).containsExactly("c");
        assertThat(scheduler.nextPass(ticker.nanos())).isNull();
    }

    @Test
    void realtimePassesGrowWithWhatWaits() {
        for (String id : List.of("a", "b", "c", "d", "e")) {
            encodeAll(add(Lists.of(id, 1)), 8, 4);
        }

        assertThat(ids(scheduler.nextPass(ticker.nanos()))).as("a third of 60").containsExactly("a");
        encodeAll(add(Lists.of("f", 1), Lane.REALTIME, 5000), 8, 28);
        assertThat(ids(scheduler.nextPass(ticker.nanos())))
                .as("the most urgent whole")
                .containsExactly("f");
        for (int i = 0; i < 10; i++) {
            encodeAll(add(Lists.of("g" + i, 1)), 8, 4);
        }
        assertThat(ids(scheduler.nextPass(ticker.nanos())))
                .as("no more than a full pass")
                .hasSize(3);
    }

    @Test
    void whatWasScoredIsNotScoredAgainWhileItIsKept() {
        EngineCounters counters = new EngineCounters();
        Scheduler keeping = new Scheduler(Lists.keepingScores(60, 10), Integer.MAX_VALUE, counters);
        for (int round = 0; round < 2; round++) {
            keeping.add(list(Lists.of("a", 2), Lane.REALTIME, 0), ticker.nanos());
            for (EncodeTask task = keeping.encodeQueue().nextEncode();
                    task != null;
                    task = keeping.encodeQueue().nextEncode()) {
                keeping.encoded(task, Lists.segment(7 + task.index()));
            }
            Scheduler.PlannedPass planned = keeping.nextPass(ticker.nanos());
            if (round == 0) {
                keeping.scored(planned, new float[] {0.25f, 0.5f}, new int[0], 1_000_000, ticker.nanos());
            } else {
                assertThat(planned).isNull();
            }
            assertThat(answers(keeping))
                    .singleElement()
                    .satisfies(answer -> assertThat(answer.results())
                            .extracting(RankedCandidate::logit)
                            .containsExactly(0.5, 0.25));
            assertThat(keeping.encodeQueue().bytes()).isZero();
        }
        assertThat(counters.get(Counter.SCORE_HITS)).isEqualTo(2);
    }

    @Test
    void slicesAListThatIsLargerThanAPass() {
        encodeAll(add(Lists.of("a", 10)), 10, 10);

        assertThat(sizes()).containsExactly(3, 3, 3, 1);
    }

    @Test
    void givesALongPairAPassOfItsOwnAndRejectsOneBeyondTheBound() {
        ListInFlight pending = add(Lists.of("a", 3));
        encode(pending, EncodeTask.PREFIX, 10);
        encode(pending, 0, 60);
        encode(pending, 1, 91);
        encode(pending, 2, 5);

        assertThat(score()).extracting(p -> p.pass().candidates()).containsExactly(1, 1);
        RerankedList answer = answers().get(0);
        assertThat(answer.status()).isEqualTo(ListStatus.COMPLETE);
        assertThat(answer.leftOut()).singleElement().satisfies(c -> {
            assertThat(c.reason()).isEqualTo(Reason.OVER_BUDGET);
            assertThat(c.detail()).contains("101 tokens").contains("pair.max-tokens is 100");
        });
        assertThat(answer.results())
                .as("longer than the network was trained on")
                .filteredOn(c -> c.detail() != null)
                .singleElement()
                .satisfies(c -> assertThat(c.detail()).contains("pair.trained-tokens"));
    }

    @Test
    void servesRealtimeBeforeBackfillAndTheNearerDeadlineFirst() {
        ListInFlight backfill = add(Lists.of("backfill", 1), Lane.BACKFILL, 0);
        ListInFlight late = add(Lists.of("late", 1), Lane.REALTIME, 5000);
        ListInFlight soon = add(Lists.of("soon", 1), Lane.REALTIME, 1000);
        for (ListInFlight pending : List.of(backfill, late, soon)) {
            encodeAll(pending, 30, 5);
        }

        assertThat(List.of(
                        ids(scheduler.nextPass(ticker.nanos())),
                        ids(scheduler.nextPass(ticker.nanos())),
                        ids(scheduler.nextPass(ticker.nanos()))))
                .containsExactly(List.of("soon"), List.of("late"), List.of("backfill"));
    }

    @Test
    void answersWithWhatIsScoredWhenTheDeadlineComes() {
        ListInFlight pending = add(Lists.of("a", 4), Lane.REALTIME, 1000);
        encode(pending, EncodeTask.PREFIX, 10);
        encode(pending, 2, 5);
        Scheduler.PlannedPass first = scheduler.nextPass(ticker.nanos());
        scheduler.scored(first, new float[] {0.7f}, new int[0], 1_000_000, ticker.nanos());
        encode(pending, 1, 5);
        Scheduler.PlannedPass running = scheduler.nextPass(ticker.nanos());
        ticker.advanceMillis(1000);
        scheduler.expire(pending);

        RerankedList answer = answers().get(0);
        assertThat(answer.status()).isEqualTo(ListStatus.PARTIAL);
        assertThat(answer.reason()).isEqualTo(Reason.DEADLINE);
        assertThat(answer.results()).extracting(RankedCandidate::retrievalRank).containsExactly(3, 1, 2, 4);

        scheduler.scored(running, new float[] {0.9f}, new int[0], 1_000_000, ticker.nanos());
        assertThat(answers()).as("a pass that comes too late changes nothing").isEmpty();
        assertThat(scheduler.encodeQueue().bytes()).isZero();
        assertThat(scheduler.encodeQueue().hasWork())
                .as("work nobody waits for is dropped")
                .isFalse();
    }

    @Test
    void answersWhatNeedsNoDeviceWithoutOne() {
        add(Lists.of("empty", 0));
        ListInFlight blank = add(Lists.of("blank", 2));
        encode(blank, EncodeTask.PREFIX, 1);
        scheduler.rejected(new EncodeTask(blank, 0), Reason.EMPTY, "nothing");
        scheduler.rejected(new EncodeTask(blank, 1), Reason.EMPTY, "nothing");
        for (Reason reason : List.of(Reason.QUERY_EMPTY, Reason.IMAGE_UNREADABLE)) {
            ListInFlight noQuery = add(Lists.of("no-query", 2));
            scheduler.rejected(new EncodeTask(noQuery, EncodeTask.PREFIX), reason, "nothing");
        }

        List<RerankedList> answers = answers();
        assertThat(answers)
                .extracting(RerankedList::status)
                .containsExactly(ListStatus.COMPLETE, ListStatus.COMPLETE, ListStatus.UNSCORED, ListStatus.UNSCORED);
        assertThat(answers.get(1).leftOut()).extracting(RankedCandidate::reason).containsOnly(Reason.EMPTY);
        assertThat(answers.get(2).reason()).isEqualTo(Reason.QUERY_EMPTY);
        assertThat(answers.get(2).results()).hasSize(2);
        assertThat(answers.get(3).reason()).isEqualTo(Reason.QUERY_IMAGE);
        assertThat(scheduler.encodeQueue().hasWork()).isFalse();
        assertThat(scheduler.encodeQueue().bytes()).isZero();
    }

    @Test
    void aQueryThatFailsLeavesItsListUnscoredWhateverFailsFirst() {
        List<List<ScoredList.Score>> scores = new ArrayList<>();
        for (List<Integer> order : List.of(
                List.of(EncodeTask.PREFIX, 0, 1), List.of(0, EncodeTask.PREFIX, 1), List.of(0, 1, EncodeTask.PREFIX))) {
            ListInFlight broken = add(Lists.withImages("broken", 2, 1));
            takePrefix(broken);
            for (int index : order) {
                scheduler.rejected(new EncodeTask(broken, index), Reason.IMAGE_NOT_FOUND, "gone");
            }

            ScoredList answer = scheduler.drain().get(0).toAnswer(MODEL);
            assertThat(answer.status()).as("%s", order).isEqualTo(ListStatus.UNSCORED);
            assertThat(answer.reason()).as("%s", order).isEqualTo(Reason.QUERY_IMAGE);
            scores.add(answer.scores());
            assertThat(scheduler.encodeQueue().hasWork()).as("%s", order).isFalse();
            assertThat(scheduler.encodeQueue().bytes()).as("%s", order).isZero();
        }
        assertThat(scores).containsOnly(Collections.nCopies(2, ScoredList.Score.missing(Reason.QUERY_IMAGE)));
    }

    @Test
    void aListWithoutASoundCandidateIsCompleteOnceItsQueryIsSoundOrItsDeadlineComes() {
        for (boolean encodes : new boolean[] {true, false}) {
            ListInFlight broken = add(Lists.of("broken", 2), Lane.REALTIME, 1000);
            takePrefix(broken);
            for (int i = 0; i < 2; i++) {
                scheduler.rejected(new EncodeTask(broken, i), Reason.IMAGE_NOT_FOUND, "gone");
            }
            assertThat(answers()).isEmpty();
            if (encodes) {
                encode(broken, EncodeTask.PREFIX, 10);
            } else {
                scheduler.expire(broken);
            }

            assertThat(answers()).singleElement().satisfies(answer -> {
                assertThat(answer.status()).isEqualTo(ListStatus.COMPLETE);
                assertThat(answer.leftOut()).extracting(RankedCandidate::reason).containsOnly(Reason.IMAGE_NOT_FOUND);
            });
            assertThat(scheduler.encodeQueue().bytes()).isZero();
        }
    }

    @Test
    void stageLatenciesAddUpToTheTotal() {
        ListInFlight pending =
                new ListInFlight(Lists.of("a", 1), new Arrival(Lane.REALTIME, 999_000, 999_970, 0), 0, ticker);
        scheduler.add(pending, ticker.nanos());
        ticker.advanceMillis(20);
        encodeAll(pending, 10, 5);
        ticker.advanceMillis(7);
        Scheduler.PlannedPass pass = scheduler.nextPass(ticker.nanos());
        ticker.advanceMillis(100);
        scheduler.scored(pass, new float[] {0.5f}, new int[0], 100_000_000, ticker.nanos());

        Latency latency = answers().get(0).latency();
        assertThat(latency).isEqualTo(new Latency(970_000, 20_000, 37_000, 100_000));
        assertThat(latency.total()).isEqualTo(1_127_000);
    }

    @Test
    void backfillKeepsItsShareOfTenSecondsAndNoMore() {
        for (int passMillis : new int[] {7, 100, 900}) {
            List<Lane> lanes = saturate(passMillis, 60_000);
            int tenSeconds = 10_000 / passMillis;
            for (int from = 0; from + tenSeconds <= lanes.size(); from++) {
                long backfill = lanes.subList(from, from + tenSeconds).stream()
                        .filter(lane -> lane == Lane.BACKFILL)
                        .count();
                assertThat(backfill * 1.0 / tenSeconds)
                        .as("passes of %d ms, from the %dth", passMillis, from)
                        .isBetween(0.1 - 1.0 / tenSeconds, 0.1 + 2.0 / tenSeconds);
            }
        }
    }

    @Test
    void passesLongerThanTheShareStillLetBackfillIn() {
        List<Lane> lanes = saturate(4000, 400_000);

        assertThat(lanes).containsSubsequence(Lane.BACKFILL, Lane.REALTIME, Lane.BACKFILL);
        assertThat(lanes.stream().filter(lane -> lane == Lane.REALTIME).count()).isGreaterThan(lanes.size() / 2);
    }

    /** Both lanes always have a list ready; which got each pass? */
    private List<Lane> saturate(int passMillis, int millis) {
        Scheduler fresh = scheduler(Lists.settings(40));
        List<Lane> lanes = new ArrayList<>();
        for (Lane lane : Lane.values()) {
            ready(fresh, lane);
        }
        for (int spent = 0; spent < millis; spent += passMillis) {
            Scheduler.PlannedPass planned = fresh.nextPass(ticker.nanos());
            Lane lane = planned.lane();
            lanes.add(lane);
            ticker.advanceMillis(passMillis);
            fresh.scored(planned, new float[1], new int[0], passMillis * 1_000_000L, ticker.nanos());
            ready(fresh, lane);
        }
        return lanes;
    }

    @Test
    void aPassTakesOnlyWhatItsEndStillServes() {
        encodeAll(add(Lists.of("first", 1)), 10, 10);
        Scheduler.PlannedPass first = scheduler.nextPass(ticker.nanos());
        scheduler.scored(
                first, new float[1], new int[0], 160_000_000, ticker.nanos()); // 8 ms a token, 10 with the margin
        ListInFlight soon = add(Lists.of("soon", 3), Lane.REALTIME, 250);
        encodeAll(soon, 10, 10);
        encodeAll(add(Lists.of("later", 3), Lane.REALTIME, 1000), 10, 10);
        ListInFlight hopeless = add(Lists.of("hopeless", 1), Lane.REALTIME, 190);
        encodeAll(hopeless, 10, 10);

        Scheduler.PlannedPass second = scheduler.nextPass(ticker.nanos());
        assertThat(ids(second)).containsExactly("soon");
        assertThat(second.pass().candidates()).as("three would take 400 ms").isEqualTo(1);
        ticker.advanceMillis(160);
        scheduler.scored(second, new float[1], new int[0], 160_000_000, ticker.nanos());
        assertThat(ids(scheduler.nextPass(ticker.nanos())))
                .as("90 ms are too short")
                .containsExactly("later");
        scheduler.expire(soon);
        assertThat(answers()).extracting(RerankedList::status).contains(ListStatus.PARTIAL);
        assertThat(hopeless.states[0]).isInstanceOf(CandidateState.Ready.class);
    }

    @Test
    void anEstimateThatIsOldIsTriedAnew() {
        encodeAll(add(Lists.of("first", 1)), 10, 10);
        scheduler.scored(scheduler.nextPass(ticker.nanos()), new float[1], new int[0], 20_000_000_000L, ticker.nanos());
        encodeAll(add(Lists.of("a", 1), Lane.REALTIME, 15_000), 10, 10);

        assertThat(scheduler.nextPass(ticker.nanos())).isNull();
        ticker.advanceMillis(10_001);
        assertThat(ids(scheduler.nextPass(ticker.nanos()))).containsExactly("a");
    }

    @Test
    void backfillIsNotPlannedTwiceInARowBesideAPassThatRuns() {
        ready(scheduler, Lane.REALTIME);
        scheduler.scored(scheduler.nextPass(ticker.nanos()), new float[1], new int[0], 1_000_000, ticker.nanos());
        for (int i = 0; i < 2; i++) {
            ready(scheduler, Lane.REALTIME);
            ready(scheduler, Lane.BACKFILL);
        }

        List<Lane> lanes = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            lanes.add(scheduler.nextPass(ticker.nanos()).lane());
        }
        assertThat(lanes).containsExactly(Lane.BACKFILL, Lane.REALTIME, Lane.BACKFILL, Lane.REALTIME);
    }

    @Test
    void anEndlessTimeoutIsALongOne() {
        for (long timeoutMs : new long[] {10_000_000_000_000L, Long.MAX_VALUE}) {
            assertThat(add(Lists.of("a", 1), Lane.REALTIME, timeoutMs).deadline)
                    .isEqualTo(ListInFlight.MAX_TIMEOUT_MS * 1_000_000);
        }
        assertThat(answers()).isEmpty();
    }

    @Test
    void thePassLimitGrowsAgainAfterAShortageOfMemory() {
        Pass small = new Pass(List.of(new Pass.Group(Lists.segment(10), List.of(Lists.segment(10)))));
        scheduler.shrink(small);
        assertThat(scheduler.passTokens()).isEqualTo(10);
        scorePasses(Scheduler.PASSES_TO_GROW - 1);
        scheduler.shrink(small);
        scorePasses(Scheduler.PASSES_TO_GROW - 1);
        assertThat(scheduler.passTokens()).as("counted from the last failure").isEqualTo(10);

        scorePasses(1);
        assertThat(scheduler.passTokens()).isEqualTo(20);
        scorePasses(2 * Scheduler.PASSES_TO_GROW);
        assertThat(scheduler.passTokens()).as("no further than it was").isEqualTo(40);
    }

    private void scorePasses(int passes) {
        for (int i = 0; i < passes; i++) {
            ready(scheduler, Lane.REALTIME);
            scheduler.scored(scheduler.nextPass(ticker.nanos()), new float[1], new int[0], 1_000_000, ticker.nanos());
        }
    }

    private List<Scheduler.PlannedPass> score() {
        List<Scheduler.PlannedPass> passes = new ArrayList<>();
        for (var planned = scheduler.nextPass(ticker.nanos());
                planned != null;
                planned = scheduler.nextPass(ticker.nanos())) {
            passes.add(planned);
            float[] scores = new float[planned.pass().candidates()];
            Arrays.fill(scores, 0.5f);
            scheduler.scored(planned, scores, new int[0], 1_000_000, ticker.nanos());
        }
        return passes;
    }

    private List<Integer> sizes() {
        return score().stream().map(p -> p.pass().candidates()).toList();
    }
}
