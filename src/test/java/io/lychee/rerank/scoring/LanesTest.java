package io.lychee.rerank.scoring;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.ScoredList;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.Test;

/** Promises in time, on a clock turned by hand: a device that takes 5 ms a pass and 1 ms for 20 tokens. */
class LanesTest {

    private static final int PASS_TOKENS = 8000;
    private static final int PASS_MILLIS = 5 + PASS_TOKENS / 20;
    private static final int PREFIX_TOKENS = 100;
    private static final int CANDIDATE_TOKENS = 50;
    private static final int CANDIDATES = 18; // a list alone: 1,000 tokens, 55 ms
    private static final int REALTIME_CAPACITY = 64;
    private static final int BACKFILL_CAPACITY = 32;

    private final TestingTicker ticker = new TestingTicker();
    private final Scheduler scheduler = new Scheduler(
            new EngineSettings(
                    PASS_TOKENS,
                    Duration.ofSeconds(60),
                    9000,
                    9000,
                    1,
                    Duration.ofSeconds(60),
                    1L << 40,
                    1000,
                    64,
                    0.1,
                    0,
                    Duration.ofMinutes(1)),
            PASS_TOKENS,
            new EngineCounters());
    private final ArrayDeque<Long> topic = new ArrayDeque<>();
    private final List<ListInFlight> realtime = new ArrayList<>();
    private final List<Answer> answers = new ArrayList<>();
    private long sequence;
    private int backfillInFlight;
    private int backfillAnswered;

    /** A realtime list: when it came, how long it took (milliseconds), and how many of its candidates have scores. */
    private record Answer(long asked, long took, ListStatus status, long scored) {}

    @Test
    void aBacklogCostsRealtimeAtMostOnePass() {
        run(60_000, 550, 0, false); // a tenth of the device
        long idle = p99();
        answers.clear();
        run(60_000, 550, 0, true);

        assertThat(p99()).isLessThanOrEqualTo(2 * idle + PASS_MILLIS);
        assertThat(answers).allMatch(a -> a.status() == ListStatus.COMPLETE);
    }

    @Test
    void realtimeCostsBackfillWhatItUsesAndLittleMore() {
        run(60_000, 0, 0, true);
        int alone = backfillAnswered;
        backfillAnswered = 0;
        run(60_000, 550, 0, true);

        assertThat(backfillAnswered).isGreaterThan(alone * 85 / 100);
    }

    @Test
    void overloadCostsScoresNotTimeAndIsOverSoonAfterItsEnd() {
        int timeoutMs = 2000;
        // in full passes a list takes 50.6 ms
        run(120_000, 25, timeoutMs, true);
        long end = now();
        run(20_000, 100, timeoutMs, true);

        assertThat(answers).allMatch(a -> a.took() <= timeoutMs || a.asked() + a.took() <= end + timeoutMs);
        List<Answer> during =
                answers.stream().filter(a -> a.asked() < end - timeoutMs).toList();
        long late = during.stream().filter(a -> a.took() > timeoutMs + 100).count();
        assertThat(late * 100).as("later than the deadline and 100 ms").isLessThanOrEqualTo(during.size());
        double scored = during.stream().mapToLong(Answer::scored).sum() / (double) (CANDIDATES * during.size());
        assertThat(scored).as("of all candidates, at twice the capacity").isBetween(0.25, 0.51);
        assertThat(during.stream()
                        .filter(a -> a.status() == ListStatus.UNSCORED)
                        .count())
                .as("unscored of %d", during.size())
                .isLessThan(during.size() / 8);
        assertThat(answers.stream().filter(a -> a.asked() > end + 10_000).toList())
                .isNotEmpty()
                .allMatch(a -> a.status() == ListStatus.COMPLETE);
        assertThat(backfillAnswered).as("it keeps its share").isPositive();
    }

    @Test
    void randomArrivalsWaitLittleLongerThanInAQueueOfOne() {
        double capacity = 1000 * PASS_TOKENS / (PREFIX_TOKENS + CANDIDATES * CANDIDATE_TOKENS) / (double) PASS_MILLIS;
        int alone = 5 + (PREFIX_TOKENS + CANDIDATES * CANDIDATE_TOKENS) / 20;
        Map<Double, Double> loads = Map.of(0.6, 6.5, 0.3, 4.0);
        loads.forEach((load, most) -> {
            Random random = new Random(1);
            answers.clear();
            run(600_000, () -> Math.round(-Math.log(1 - random.nextDouble()) / (load * capacity) * 1000), 0, false);

            assertThat((double) p99() / alone).as("p99 at a load of %s", load).isLessThanOrEqualTo(most);
        });
    }

    private long now() {
        return ticker.now().toEpochMilli();
    }

    private long p99() {
        List<Long> sorted = answers.stream().map(Answer::took).sorted().toList();
        return sorted.get(sorted.size() * 99 / 100);
    }

    /** Realtime lists come every so many milliseconds (0: none); backfill has no end. */
    private void run(int millis, int every, int timeoutMs, boolean backfill) {
        run(millis, () -> every == 0 ? Integer.MAX_VALUE : every, timeoutMs, backfill);
    }

    private void run(int millis, LongSupplier gap, int timeoutMs, boolean backfill) {
        long end = now() + millis;
        long nextArrival = now() + gap.getAsLong();
        Scheduler.PlannedPass running = null;
        long passStart = 0;
        long passEnd = Long.MAX_VALUE;
        while (now() < end) {
            while (now() >= nextArrival) {
                topic.add(nextArrival);
                nextArrival += gap.getAsLong();
            }
            if (now() >= passEnd && running != null) {
                scheduler.scored(
                        running,
                        new float[running.pass().candidates()],
                        new int[0],
                        (passEnd - passStart) * 1_000_000,
                        ticker.nanos());
                running = null;
                passEnd = Long.MAX_VALUE;
            }
            settle(timeoutMs, backfill);
            if (running == null) {
                running = scheduler.nextPass(ticker.nanos());
                if (running != null) {
                    passStart = now();
                    passEnd = passStart + 5 + running.pass().tokens() / 20;
                }
            }
            ticker.advanceMillis(1);
        }
        if (running != null) {
            ticker.advanceMillis(passEnd - now());
            scheduler.scored(running, new float[running.pass().candidates()], new int[0], 1, ticker.nanos());
            settle(timeoutMs, false);
        }
    }

    /** Expires, collects answers, and lets in what the capacities allow. */
    private void settle(int timeoutMs, boolean backfill) {
        for (Iterator<ListInFlight> lists = realtime.iterator(); lists.hasNext(); ) {
            ListInFlight pending = lists.next();
            if (pending.deadline <= ticker.nanos()) {
                scheduler.expire(pending);
            }
            if (pending.done) {
                lists.remove();
            }
        }
        while (!topic.isEmpty() && realtime.size() < REALTIME_CAPACITY) {
            ListInFlight pending = add(Lane.REALTIME, topic.remove(), timeoutMs);
            if (!pending.done) {
                realtime.add(pending);
            }
        }
        while (backfill && backfillInFlight < BACKFILL_CAPACITY) {
            add(Lane.BACKFILL, now(), 0);
            backfillInFlight++;
        }
        for (ListInFlight answered : scheduler.drain()) {
            if (answered.lane() == Lane.BACKFILL) {
                backfillInFlight--;
                backfillAnswered++;
            } else {
                long asked = answered.arrival.timestampMs();
                ScoredList answer = answered.toAnswer(new ModelInfo("test", "0"));
                long scored = answer.scores().stream()
                        .filter(score -> score.value() != null)
                        .count();
                answers.add(new Answer(asked, now() - asked, answer.status(), scored));
            }
        }
    }

    private ListInFlight add(Lane lane, long timestamp, int timeoutMs) {
        ListInFlight pending = new ListInFlight(
                Lists.of("q", CANDIDATES), new Arrival(lane, timestamp, now(), timeoutMs), sequence++, ticker);
        scheduler.add(pending, ticker.nanos());
        if (!pending.done) {
            scheduler.encoded(new EncodeTask(pending, EncodeTask.PREFIX), Lists.segment(PREFIX_TOKENS));
            for (int i = 0; i < CANDIDATES; i++) {
                scheduler.encoded(new EncodeTask(pending, i), Lists.segment(CANDIDATE_TOKENS));
            }
        }
        return pending;
    }
}
