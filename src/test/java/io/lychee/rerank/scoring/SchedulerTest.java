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
import java.time.Duration;
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
    private final Scheduler scheduler = new Scheduler(Lists.settings(40), MODEL, Integer.MAX_VALUE);
    private long sequence;

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
        EngineSettings settings = Lists.settings(60);
        Scheduler keeping = new Scheduler(
                new EngineSettings(
                        settings.passTokens(),
                        settings.passTimeout(),
                        settings.maxPairTokens(),
                        settings.trainedPairTokens(),
                        settings.encodeThreads(),
                        settings.encodeTimeout(),
                        settings.encodeBytes(),
                        settings.imageBytes(),
                        settings.fetches(),
                        settings.backfillMinShare(),
                        10,
                        Duration.ofHours(1)),
                MODEL,
                Integer.MAX_VALUE);
        for (int round = 0; round < 2; round++) {
            ListInFlight pending =
                    new ListInFlight(Lists.of("a", 2), Lists.realtime(), CallerSettings.NONE, round, ticker);
            keeping.add(pending, ticker.nanos());
            while (keeping.encoding().hasJob()) {
                EncodeTask job = keeping.encoding().takeJob();
                keeping.encoding().fetched(job, List.of());
                keeping.encoding().takeFetched();
                keeping.encoded(job, Lists.segment(7 + job.index()));
            }
            Scheduler.PlannedPass planned = keeping.nextPass(ticker.nanos());
            if (round == 0) {
                keeping.scored(planned, new float[] {0.25f, 0.5f}, new int[0], 1_000_000, ticker.nanos());
            } else {
                assertThat(planned).isNull();
            }
            assertThat(keeping.drain())
                    .singleElement()
                    .satisfies(answered -> assertThat(answered.answer().results())
                            .extracting(RankedCandidate::score)
                            .containsExactly(0.5, 0.25));
            assertThat(keeping.encoding().bytes()).isZero();
        }
        assertThat(keeping.scoreHits()).isEqualTo(2);
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
        assertThat(scheduler.encoding().bytes()).isZero();
        assertThat(scheduler.encoding().hasJob())
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
        assertThat(scheduler.encoding().hasWork()).isFalse();
        assertThat(scheduler.encoding().bytes()).isZero();
    }

    @Test
    void stageLatenciesAddUpToTheTotal() {
        ListInFlight pending = new ListInFlight(
                Lists.of("a", 1),
                new Arrival(Lane.REALTIME, 999_000, 999_970),
                CallerSettings.NONE,
                sequence++,
                ticker);
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
        Scheduler fresh = new Scheduler(Lists.settings(40), MODEL, Integer.MAX_VALUE);
        List<Lane> lanes = new ArrayList<>();
        for (Lane lane : Lane.values()) {
            ready(fresh, lane);
        }
        for (int spent = 0; spent < millis; spent += passMillis) {
            Scheduler.PlannedPass planned = fresh.nextPass(ticker.nanos());
            Lane lane = planned.owners().get(0).lane();
            lanes.add(lane);
            ticker.advanceMillis(passMillis);
            fresh.scored(planned, new float[1], new int[0], passMillis * 1_000_000L, ticker.nanos());
            ready(fresh, lane);
        }
        return lanes;
    }

    private void ready(Scheduler fresh, Lane lane) {
        ListInFlight pending =
                new ListInFlight(Lists.of("q", 1), new Arrival(lane, -1, 0), CallerSettings.NONE, sequence++, ticker);
        fresh.add(pending, ticker.nanos());
        fresh.encoded(new EncodeTask(pending, EncodeTask.PREFIX), Lists.segment(10));
        fresh.encoded(new EncodeTask(pending, 0), Lists.segment(30));
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
        assertThat(hopeless.outcomes[0]).isInstanceOf(CandidateState.Ready.class);
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
    void backfillGetsHalfOfTheFetches() {
        ListInFlight backfill = add(Lists.withImages("backfill", 10, 1), Lane.BACKFILL, 0);
        takePrefix(backfill);
        EncodeTask first = scheduler.encoding().takeJob();
        scheduler.encoding().takeJob();
        assertThat(scheduler.encoding().hasJob()).as("two of four").isFalse();

        ListInFlight realtime = add(Lists.withImages("realtime", 10, 1), Lane.REALTIME, 0);
        takePrefix(realtime);
        assertThat(scheduler.encoding().takeJob().owner()).isSameAs(realtime);
        scheduler.encoding().takeJob();
        assertThat(scheduler.encoding().hasJob()).as("four of four").isFalse();
        scheduler.encoding().fetched(first, List.of(new byte[1000]));
        assertThat(scheduler.encoding().bytes()).isEqualTo(1000);
        assertThat(scheduler.encoding().takeFetched().job()).isSameAs(first);
        assertThat(scheduler.encoding().takeJob().owner()).isSameAs(realtime);
    }

    private void takePrefix(ListInFlight pending) {
        assertThat(scheduler.encoding().takeJob()).isEqualTo(new EncodeTask(pending, EncodeTask.PREFIX));
    }

    @Test
    void aSlowHostHoldsUpOnlyWhatNeedsAFetch() {
        takePrefix(add(Lists.withImages("slow", 10, 1)));
        for (int i = 0; i < 4; i++) {
            scheduler.encoding().takeJob();
        }
        CandidateList texts = Lists.of("image-query", 2);
        add(new CandidateList(
                "image-query",
                null,
                Map.of(),
                Lists.withImages("q", 1, 1).candidates().get(0).content(),
                texts.candidates(),
                null,
                null));
        assertThat(scheduler.encoding().hasJob())
                .as("four of four, and no candidate before its prefix")
                .isFalse();

        ListInFlight text = add(Lists.of("text", 3));
        for (int i = EncodeTask.PREFIX; i < 3; i++) {
            EncodeTask job = scheduler.encoding().takeJob();
            assertThat(job).isEqualTo(new EncodeTask(text, i));
            scheduler.encoding().fetched(job, List.of());
            assertThat(scheduler.encoding().hasJob())
                    .as("taken no faster than encoded")
                    .isFalse();
            assertThat(scheduler.encoding().takeFetched().job()).isEqualTo(job);
            scheduler.encoded(job, Lists.segment(5));
        }
        assertThat(ids(scheduler.nextPass(ticker.nanos()))).containsExactly("text");
    }

    @Test
    void fetchedWorkThatNobodyWaitsForHoldsUpNothing() {
        ListInFlight expired = add(Lists.of("expired", 1));
        takePrefix(expired);
        scheduler.encoding().fetched(new EncodeTask(expired, EncodeTask.PREFIX), List.of());
        ListInFlight next = add(Lists.of("next", 1));
        assertThat(scheduler.encoding().hasJob()).isFalse();

        scheduler.expire(expired);
        takePrefix(next);
    }

    @Test
    void fetchesAreCountedByImage() {
        ListInFlight three = add(Lists.withImages("three", 2, 3));
        takePrefix(three);
        EncodeTask first = scheduler.encoding().takeJob();
        assertThat(scheduler.encoding().hasJob())
                .as("three of four, and three more")
                .isFalse();
        scheduler.fetchFailed(first, Reason.IMAGE_NOT_FOUND, "gone");
        EncodeTask second = scheduler.encoding().takeJob();

        ListInFlight eight = add(Lists.withImages("eight", 2, 8), Lane.BACKFILL, 0);
        takePrefix(eight);
        assertThat(scheduler.encoding().hasJob()).isFalse();
        scheduler.fetchFailed(second, Reason.IMAGE_NOT_FOUND, "gone");
        assertThat(scheduler.encoding().takeJob()).as("more than four, alone").isEqualTo(new EncodeTask(eight, 0));
        assertThat(scheduler.encoding().hasJob()).isFalse();
    }

    @Test
    void imagesAreFetchedIntoBytesThatAreFree() {
        EncodeQueue queue =
                new Scheduler(Lists.settings(40, 4 * Lists.IMAGE_BYTES), MODEL, Integer.MAX_VALUE).encoding();
        ListInFlight three = pending(Lists.withImages("three", 3, 3), Lane.REALTIME);
        for (int i = 0; i < 3; i++) {
            queue.add(new EncodeTask(three, i));
        }
        EncodeTask first = queue.takeJob();
        assertThat(queue.reservedBytes()).isEqualTo(3 * Lists.IMAGE_BYTES);
        assertThat(queue.hasJob()).as("one would fit, three more don't").isFalse();
        ListInFlight text = pending(Lists.of("text", 1), Lane.REALTIME);
        queue.add(new EncodeTask(text, 0));
        assertThat(queue.takeJob().owner()).as("a slow host holds up no text").isSameAs(text);

        queue.fetched(first, List.of(new byte[600], new byte[600], new byte[601]));
        assertThat(queue.reservedBytes()).isZero();
        assertThat(queue.bytes()).isEqualTo(1801);
        assertThat(queue.takeFetched().job()).isEqualTo(first);
        assertThat(queue.hasJob()).as("what is being encoded is in memory").isFalse();
        ListInFlight later = pending(Lists.of("later", 1), Lane.REALTIME);
        queue.add(new EncodeTask(later, 0));
        assertThat(queue.hasJob())
                .as("nor is the room for them filled by what is less urgent")
                .isFalse();
        queue.release(first);
        EncodeTask second = queue.takeJob();
        assertThat(second.owner()).isSameAs(three);

        ListInFlight six = pending(Lists.withImages("six", 1, 6), Lane.REALTIME);
        queue.remove(later);
        queue.remove(three);
        queue.add(new EncodeTask(six, 0));
        assertThat(queue.hasJob()).as("larger than the bound, so alone").isFalse();
        queue.fetchFailed(second);
        assertThat(queue.takeJob().owner()).isSameAs(six);
    }

    private ListInFlight pending(CandidateList list, Lane lane) {
        return new ListInFlight(list, now(lane), CallerSettings.NONE, sequence++, ticker);
    }

    @Test
    void aListThatIsGivenUpLeavesNothing() {
        for (int step = 0; step < 5; step++) {
            ListInFlight pending = add(Lists.withImages("given-up", 3, 1));
            EncodeQueue queue = scheduler.encoding();
            takePrefix(pending);
            EncodeTask job = queue.takeJob();
            if (step > 0) {
                queue.fetched(job, List.of(new byte[100]));
            }
            if (step > 1) {
                assertThat(queue.takeFetched().job()).isEqualTo(job);
            }
            Scheduler.PlannedPass planned = null;
            if (step > 2) {
                scheduler.encoded(job, Lists.segment(5));
                encode(pending, EncodeTask.PREFIX, 5);
            }
            if (step > 3) {
                planned = scheduler.nextPass(ticker.nanos());
            }
            scheduler.cancel(pending);
            if (step == 0) {
                scheduler.fetchFailed(job, Reason.IMAGE_NOT_FOUND, "cancelled");
            } else if (step == 2) {
                scheduler.encoded(job, Lists.segment(5));
            } else if (step > 3) {
                scheduler.scored(planned, new float[1], new int[0], 1_000_000, ticker.nanos());
            }

            assertThat(queue.hasWork()).as("step %d", step).isFalse();
            assertThat(queue.bytes()).as("step %d", step).isZero();
            assertThat(queue.reservedBytes()).as("step %d", step).isZero();
            assertThat(scheduler.nextPass(ticker.nanos())).as("step %d", step).isNull();
            assertThat(scheduler.queues(0)).as("step %d", step).isEmpty();
            assertThat(answers()).as("step %d", step).isEmpty();
        }
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
            lanes.add(scheduler.nextPass(ticker.nanos()).owners().get(0).lane());
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

    @Test
    void randomWorkIsAnsweredOnceWithinItsBoundsAndLeavesNothingBehind() {
        for (long seed = 0; seed < 300; seed++) {
            Random random = new Random(seed);
            // from a byte, which a prefix alone fills, to more than all of it needs
            EngineSettings settings = Lists.settings(40, 1L << random.nextInt(20));
            Scheduler fresh = new Scheduler(settings, MODEL, Integer.MAX_VALUE);
            Map<String, Integer> scored = new HashMap<>();
            List<ListInFlight> lists = new ArrayList<>();
            List<RerankedList> answers = new ArrayList<>();
            int candidates = 0;
            boolean deadlines = seed % 2 == 0;
            for (int i = 0; i < 1 + random.nextInt(6); i++) {
                int n = random.nextInt(12);
                candidates += n;
                Lane lane = random.nextBoolean() ? Lane.REALTIME : Lane.BACKFILL;
                long timeoutMs = deadlines ? 1 + random.nextInt(1000) : 0;
                CandidateList list = Lists.withImages("q" + i, n, random.nextInt(7));
                lists.add(new ListInFlight(list, now(lane), Lists.timeout(timeoutMs), sequence++, ticker));
                fresh.add(lists.get(i), ticker.nanos());
            }
            Lane last = Lane.REALTIME;
            boolean worked = true;
            while (worked) {
                worked = fresh.encoding().hasJob();
                while (fresh.encoding().hasJob() && random.nextInt(8) > 0) {
                    EncodeTask job = fresh.encoding().takeJob();
                    long reserved = fresh.encoding().reservedBytes();
                    assertThat(reserved == 0
                                    || reserved == (long) job.references() * Lists.IMAGE_BYTES
                                    || reserved + fresh.encoding().bytes() <= settings.encodeBytes())
                            .as("seed %d: bytes in memory and on their way", seed)
                            .isTrue();
                    if (random.nextInt(20) == 0 && job.index() != EncodeTask.PREFIX && deadlines) {
                        fresh.fetchFailed(job, Reason.IMAGE_NOT_FOUND, "gone");
                    } else {
                        fresh.encoding().fetched(job, List.of(new byte[random.nextInt(100)]));
                    }
                }
                for (var work = fresh.encoding().takeFetched();
                        work != null;
                        work = fresh.encoding().takeFetched()) {
                    fresh.encoded(work.job(), Lists.segment(1 + random.nextInt(20)));
                    worked = true;
                }
                boolean realtimeReady = lists.stream()
                        .anyMatch(p -> !p.answered
                                && p.lane() == Lane.REALTIME
                                && p.deadline == Long.MAX_VALUE
                                && p.prefix != null
                                && Arrays.stream(p.outcomes).anyMatch(CandidateState.Ready.class::isInstance));
                Scheduler.PlannedPass planned = fresh.nextPass(ticker.nanos());
                if (planned != null) {
                    Lane lane = checkPass(planned, scored);
                    assertThat(realtimeReady && last == Lane.BACKFILL && lane == Lane.BACKFILL)
                            .as("seed %d: backfill twice before realtime", seed)
                            .isFalse();
                    last = lane;
                    int millis = random.nextInt(50);
                    ticker.advanceMillis(millis);
                    fresh.scored(
                            planned,
                            new float[planned.pass().candidates()],
                            new int[0],
                            millis * 1_000_000L,
                            ticker.nanos());
                    worked = true;
                }
                lists.stream().filter(p -> p.deadline <= ticker.nanos()).forEach(fresh::expire);
                fresh.drain().forEach(a -> answers.add(a.answer()));
            }
            lists.stream().filter(p -> p.deadline < Long.MAX_VALUE).forEach(fresh::expire);
            fresh.drain().forEach(a -> answers.add(a.answer()));

            assertThat(answers).as("seed %d", seed).hasSameSizeAs(lists);
            if (!deadlines) {
                assertThat(answers).as("seed %d", seed).allMatch(a -> a.status() == ListStatus.COMPLETE);
                assertThat(scored).as("seed %d", seed).hasSize(candidates);
            }
            assertThat(scored.values()).as("seed %d", seed).allMatch(times -> times == 1);
            assertThat(fresh.encoding().bytes()).as("seed %d", seed).isZero();
            assertThat(fresh.encoding().reservedBytes()).as("seed %d", seed).isZero();
            assertThat(fresh.queues(0)).as("seed %d", seed).isEmpty();
        }
    }

    /** Within budget and of one lane, which is returned. */
    private static Lane checkPass(Scheduler.PlannedPass planned, Map<String, Integer> scored) {
        assertThat(planned.pass().tokens() <= 40 || planned.pass().candidates() == 1)
                .isTrue();
        for (int g = 0; g < planned.owners().size(); g++) {
            for (int index : planned.indices().get(g)) {
                scored.merge(planned.owners().get(g).list.requestId() + "/" + index, 1, Integer::sum);
            }
        }
        List<Lane> lanes =
                planned.owners().stream().map(ListInFlight::lane).distinct().toList();
        assertThat(lanes).hasSize(1);
        return lanes.get(0);
    }

    private static Arrival now(Lane lane) {
        return new Arrival(lane, -1, 1_000_000);
    }

    private ListInFlight add(CandidateList list) {
        return add(list, Lane.REALTIME, 0);
    }

    private ListInFlight add(CandidateList list, Lane lane, long timeoutMs) {
        ListInFlight pending =
                new ListInFlight(list, new Arrival(lane, -1, 1_000_000), Lists.timeout(timeoutMs), sequence++, ticker);
        scheduler.add(pending, ticker.nanos());
        return pending;
    }

    private void encodeAll(ListInFlight pending, int prefixTokens, int candidateTokens) {
        encode(pending, EncodeTask.PREFIX, prefixTokens);
        for (int i = 0; i < pending.outcomes.length; i++) {
            encode(pending, i, candidateTokens);
        }
    }

    private void encode(ListInFlight pending, int index, int tokens) {
        scheduler.encoded(new EncodeTask(pending, index), Lists.segment(tokens));
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

    private List<RerankedList> answers() {
        return scheduler.drain().stream().map(Scheduler.Answered::answer).toList();
    }

    private static List<String> ids(Scheduler.PlannedPass planned) {
        return planned.owners().stream().map(p -> p.list.requestId()).toList();
    }
}
