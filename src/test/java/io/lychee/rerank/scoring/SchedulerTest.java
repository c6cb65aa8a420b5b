package io.lychee.rerank.scoring;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.Latency;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SchedulerTest {

    private static final ModelInfo MODEL = new ModelInfo("test", "0");

    private final TestingTicker ticker = new TestingTicker();
    private final Scheduler scheduler = new Scheduler(Lists.settings(40), MODEL);
    private long sequence;

    @Test
    void takesWholeListsWhileTheyFit() {
        encodeAll(add(Lists.of("a", 2)), 10, 5);
        encodeAll(add(Lists.of("b", 2)), 10, 5);
        encodeAll(add(Lists.of("c", 2)), 10, 5);

        assertThat(ids(scheduler.nextPass())).containsExactly("a", "b");
        assertThat(ids(scheduler.nextPass())).containsExactly("c");
        assertThat(scheduler.nextPass()).isNull();
    }

    @Test
    void slicesAListThatIsLargerThanAPass() {
        encodeAll(add(Lists.of("a", 10)), 10, 10);

        assertThat(sizes()).containsExactly(3, 3, 3, 1);
    }

    @Test
    void givesALongPairAPassOfItsOwnAndRejectsOneBeyondTheBound() {
        PendingList pending = add(Lists.of("a", 3));
        encode(pending, Scheduler.PREFIX, 10);
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
        PendingList backfill = add(Lists.of("backfill", 1), Lane.BACKFILL, 0);
        PendingList late = add(Lists.of("late", 1), Lane.REALTIME, 5000);
        PendingList soon = add(Lists.of("soon", 1), Lane.REALTIME, 1000);
        for (PendingList pending : List.of(backfill, late, soon)) {
            encodeAll(pending, 30, 5);
        }

        assertThat(List.of(ids(scheduler.nextPass()), ids(scheduler.nextPass()), ids(scheduler.nextPass())))
                .containsExactly(List.of("soon"), List.of("late"), List.of("backfill"));
    }

    @Test
    void answersWithWhatIsScoredWhenTheDeadlineComes() {
        PendingList pending = add(Lists.of("a", 4), Lane.REALTIME, 1000);
        encode(pending, Scheduler.PREFIX, 10);
        encode(pending, 2, 5);
        Scheduler.PlannedPass first = scheduler.nextPass();
        scheduler.scored(first, new float[] {0.7f}, 1_000_000);
        encode(pending, 1, 5);
        Scheduler.PlannedPass running = scheduler.nextPass();
        ticker.advanceMillis(1000);
        scheduler.expire(pending);

        RerankedList answer = answers().get(0);
        assertThat(answer.status()).isEqualTo(ListStatus.PARTIAL);
        assertThat(answer.reason()).isEqualTo(Reason.DEADLINE);
        assertThat(answer.results()).extracting(RankedCandidate::retrievalRank).containsExactly(3, 1, 2, 4);

        scheduler.scored(running, new float[] {0.9f}, 1_000_000);
        assertThat(answers()).as("a pass that comes too late changes nothing").isEmpty();
        assertThat(scheduler.encodedBytes()).isZero();
        assertThat(scheduler.hasJob()).as("work nobody waits for is dropped").isFalse();
    }

    @Test
    void answersAtOnceWhatNeedsNoDevice() {
        add(Lists.of("empty", 0));
        add(Lists.withTexts("blank", List.of(" ", ""), null, null));
        CandidateList list = Lists.of("no-query", 2);
        add(new CandidateList(
                "no-query",
                null,
                Map.of(),
                new io.lychee.rerank.domain.Content("  ", List.of()),
                list.candidates(),
                null,
                null));

        List<RerankedList> answers = answers();
        assertThat(answers)
                .extracting(RerankedList::status)
                .containsExactly(ListStatus.COMPLETE, ListStatus.COMPLETE, ListStatus.UNSCORED);
        assertThat(answers.get(1).leftOut()).extracting(RankedCandidate::reason).containsOnly(Reason.EMPTY);
        assertThat(answers.get(2).reason()).isEqualTo(Reason.QUERY_EMPTY);
        assertThat(answers.get(2).results()).hasSize(2);
    }

    @Test
    void stageLatenciesAddUpToTheTotal() {
        PendingList pending =
                new PendingList(Lists.of("a", 1), new Arrival(Lane.REALTIME, 999_000, 999_970), 0, sequence++, ticker);
        scheduler.add(pending, ticker.nanos());
        ticker.advanceMillis(20);
        encodeAll(pending, 10, 5);
        ticker.advanceMillis(7);
        Scheduler.PlannedPass pass = scheduler.nextPass();
        ticker.advanceMillis(100);
        scheduler.scored(pass, new float[] {0.5f}, 100_000_000);

        Latency latency = answers().get(0).latency();
        assertThat(latency).isEqualTo(new Latency(970_000, 20_000, 37_000, 100_000));
        assertThat(latency.total()).isEqualTo(1_127_000);
    }

    @Test
    void randomWorkIsScoredOnceWithinBudgetAndLeavesNothingBehind() {
        for (long seed = 0; seed < 200; seed++) {
            Random random = new Random(seed);
            Map<String, Integer> scored = new HashMap<>();
            int lists = 1 + random.nextInt(6);
            int candidates = 0;
            for (int i = 0; i < lists; i++) {
                int n = random.nextInt(12);
                candidates += n;
                add(Lists.of("q" + i, n), random.nextBoolean() ? Lane.REALTIME : Lane.BACKFILL, 0);
            }
            while (scheduler.hasJob()) {
                Scheduler.EncodeJob job = scheduler.takeJob();
                scheduler.encoded(job, Lists.segment(1 + random.nextInt(20)));
                if (random.nextInt(4) == 0) {
                    scoreOne(scored);
                }
            }
            while (scoreOne(scored)) {
                // until nothing is ready
            }

            assertThat(answers()).as("seed %d", seed).hasSize(lists).allMatch(a -> a.status() == ListStatus.COMPLETE);
            assertThat(scored.values().stream().mapToInt(i -> i).sum())
                    .as("seed %d", seed)
                    .isEqualTo(candidates);
            assertThat(scored.values()).as("seed %d", seed).allMatch(times -> times == 1);
            assertThat(scheduler.encodedBytes()).as("seed %d", seed).isZero();
            assertThat(scheduler.size()).as("seed %d", seed).isZero();
        }
    }

    private boolean scoreOne(Map<String, Integer> scored) {
        Scheduler.PlannedPass planned = scheduler.nextPass();
        if (planned == null) {
            return false;
        }
        assertThat(planned.pass().tokens() <= 40 || planned.pass().candidates() == 1)
                .isTrue();
        for (int g = 0; g < planned.owners().size(); g++) {
            for (int index : planned.indices().get(g)) {
                scored.merge(planned.owners().get(g).list.requestId() + "/" + index, 1, Integer::sum);
            }
        }
        scheduler.scored(planned, new float[planned.pass().candidates()], 1);
        return true;
    }

    private PendingList add(CandidateList list) {
        return add(list, Lane.REALTIME, 0);
    }

    private PendingList add(CandidateList list, Lane lane, long timeoutMs) {
        PendingList pending = new PendingList(list, new Arrival(lane, -1, 1_000_000), timeoutMs, sequence++, ticker);
        scheduler.add(pending, ticker.nanos());
        return pending;
    }

    private void encodeAll(PendingList pending, int prefixTokens, int candidateTokens) {
        encode(pending, Scheduler.PREFIX, prefixTokens);
        for (int i = 0; i < pending.outcomes.length; i++) {
            encode(pending, i, candidateTokens);
        }
    }

    private void encode(PendingList pending, int index, int tokens) {
        scheduler.encoded(new Scheduler.EncodeJob(pending, index), Lists.segment(tokens));
    }

    private List<Scheduler.PlannedPass> score() {
        List<Scheduler.PlannedPass> passes = new ArrayList<>();
        for (var planned = scheduler.nextPass(); planned != null; planned = scheduler.nextPass()) {
            passes.add(planned);
            float[] scores = new float[planned.pass().candidates()];
            Arrays.fill(scores, 0.5f);
            scheduler.scored(planned, scores, 1_000_000);
        }
        return passes;
    }

    private List<Integer> sizes() {
        return score().stream().map(p -> p.pass().candidates()).toList();
    }

    private List<RerankedList> answers() {
        return scheduler.drain().stream().map(Scheduler.Answered::answer).toList();
    }

    private static List<String> ids(Scheduler.PlannedPass planned) {
        return planned.owners().stream().map(p -> p.list.requestId()).toList();
    }
}
