package io.lychee.rerank.scoring;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Random work through the whole schedule, by hand. */
class RandomScheduleTest extends SchedulerFixture {

    @Test
    void randomWorkIsAnsweredOnceWithinItsBoundsAndLeavesNothingBehind() {
        for (long seed = 0; seed < 300; seed++) {
            Random random = new Random(seed);
            // from a byte, which a prefix alone fills, to more than all of it needs
            EngineSettings settings = Lists.settings(40, 1L << random.nextInt(20));
            Scheduler fresh = scheduler(settings);
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
                lists.add(list(list, lane, timeoutMs));
                fresh.add(lists.get(i), ticker.nanos());
            }
            Lane last = Lane.REALTIME;
            boolean worked = true;
            while (worked) {
                EncodeQueue queue = fresh.encodeQueue();
                worked = queue.hasWork();
                for (EncodeTask task = queue.nextFetch();
                        task != null;
                        task = random.nextInt(8) > 0 ? queue.nextFetch() : null) {
                    long reserved = queue.reservedBytes;
                    assertThat(reserved == 0
                                    || reserved == (long) task.references() * Lists.IMAGE_BYTES
                                    || reserved + queue.bytes() <= settings.encodeBytes())
                            .as("seed %d: bytes in memory and on their way", seed)
                            .isTrue();
                    if (random.nextInt(20) == 0 && task.index() != EncodeTask.PREFIX && deadlines) {
                        fresh.fetchFailed(task, Reason.IMAGE_NOT_FOUND, "gone");
                    } else {
                        queue.fetched(task, List.of(new byte[random.nextInt(100)]));
                    }
                }
                for (EncodeTask task = queue.nextEncode();
                        task != null;
                        task = random.nextInt(8) > 0 ? queue.nextEncode() : null) {
                    fresh.encoded(task, Lists.segment(1 + random.nextInt(20)));
                }
                boolean realtimeReady = lists.stream()
                        .anyMatch(p -> !p.done
                                && p.lane() == Lane.REALTIME
                                && p.deadline == Long.MAX_VALUE
                                && p.prefix != null
                                && Arrays.stream(p.states).anyMatch(CandidateState.Ready.class::isInstance));
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
                answers.addAll(answers(fresh));
            }
            lists.stream().filter(p -> p.deadline < Long.MAX_VALUE).forEach(fresh::expire);
            answers.addAll(answers(fresh));

            assertThat(answers).as("seed %d", seed).hasSameSizeAs(lists);
            if (!deadlines) {
                assertThat(answers).as("seed %d", seed).allMatch(a -> a.status() == ListStatus.COMPLETE);
                assertThat(scored).as("seed %d", seed).hasSize(candidates);
            }
            assertThat(scored.values()).as("seed %d", seed).allMatch(times -> times == 1);
            assertThat(fresh.encodeQueue().bytes()).as("seed %d", seed).isZero();
            assertThat(fresh.encodeQueue().reservedBytes).as("seed %d", seed).isZero();
            assertThat(fresh.unsettled()).as("seed %d", seed).isZero();
        }
    }

    /** Within budget and of one lane, which is returned. */
    private static Lane checkPass(Scheduler.PlannedPass planned, Map<String, Integer> scored) {
        assertThat(planned.pass().tokens() <= 40 || planned.pass().candidates() == 1)
                .isTrue();
        for (Scheduler.Slice slice : planned.slices()) {
            slice.indices()
                    .forEach(index -> scored.merge(slice.owner().list.requestId() + "/" + index, 1, Integer::sum));
        }
        assertThat(planned.slices()).extracting(slice -> slice.owner().lane()).containsOnly(planned.lane());
        return planned.lane();
    }
}
