package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.flink.core.execution.SavepointFormatType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a start without a checkpoint finds: the lowest unanswered offsets, never more. */
@Timeout(120)
class OffsetsTest {

    private static final int LISTS = 40;

    private final HeldJob held = new HeldJob();

    @AfterEach
    void stop() {
        held.close();
    }

    @Test
    void aStartWithoutCheckpointRepeatsAtMostWhatWasInFlight() throws Exception {
        held.release();
        held.send(0, 20, 1);
        try (EmbeddedFlink job = EmbeddedFlink.start(held.config(), held.engines(), "first")) {
            var unused = held.answers(20);
            held.hold();
            held.send(20, LISTS, 1);
            HeldJob.await(() -> HeldJob.inFlight(job) > 1);
            held.awaitCommit();

            // what is held is read, and not committed
            assertThat(held.committed(0) + held.committed(1)).isEqualTo(20);
        }
        held.release();
        try (EmbeddedFlink job = EmbeddedFlink.start(held.config(), held.engines(), "second")) {
            assertThat(held.answers(20)).containsExactlyInAnyOrderElementsOf(ids(20, LISTS));
            held.awaitCommit();
            assertThat(held.committed(0) + held.committed(1)).isEqualTo(LISTS);
            assertThat(job.result()).isNotDone();
        }
    }

    /** Then lists in flight are handed to subtasks that don't read their partitions. */
    @Test
    void listsThatMovedToAnotherSubtaskHoldTheirPartitionsOffsetBack() throws Exception {
        held.keys.put("job.parallelism", "2");
        held.send(0, LISTS, 1);
        String savepoint;
        try (EmbeddedFlink job = EmbeddedFlink.start(held.config(), held.engines(), "two")) {
            HeldJob.await(() -> HeldJob.inFlight(job) >= 30);
            held.awaitCommit();
            savepoint = job.client()
                    .stopWithSavepoint(
                            false,
                            held.broker.folder().resolve("savepoint").toUri().toString(),
                            SavepointFormatType.DEFAULT)
                    .get(60, TimeUnit.SECONDS);
        }
        held.keys.put("job.parallelism", "3");
        held.keys.put("flink.execution.state-recovery.path", savepoint);
        try (EmbeddedFlink job = EmbeddedFlink.start(held.config(), held.engines(), "three")) {
            HeldJob.await(() -> HeldJob.inFlight(job) >= 30);
            held.awaitCommit();
            assertThat(List.of(held.committed(0), held.committed(1))).containsExactly(0L, 0L);

            held.release();
            assertThat(new HashSet<>(held.answers(LISTS))).hasSize(LISTS);
            held.awaitCommit();
            assertThat(List.of(held.committed(0), held.committed(1))).containsExactly(20L, 20L);
        }
    }

    @Test
    void exactlyOnceWithoutItsCheckpointIsRefusedWhereOffsetsAreCommitted() throws Exception {
        held.keys.put("kafka.delivery-guarantee", "exactly-once");
        // it would try for ever what can't get better
        held.keys.put("flink.restart-strategy.type", "exponential-delay");
        held.release();
        held.send(0, 4, 1);
        try (EmbeddedFlink job = EmbeddedFlink.start(held.config(), held.engines(), "first")) {
            var unused = held.answers(4);
            held.awaitCommit();
            assertThat(job.result()).isNotDone();
        }
        try (EmbeddedFlink job = EmbeddedFlink.start(held.config(), held.engines(), "refused")) {
            assertThatThrownBy(() -> job.result().get(60, TimeUnit.SECONDS))
                    .hasStackTraceContaining("this start has no checkpoint")
                    .hasStackTraceContaining("kafka.exactly-once-from-offsets=true accepts that");
        }
        held.keys.put("kafka.exactly-once-from-offsets", "true");
        held.send(4, 8, 1);
        try (EmbeddedFlink job = EmbeddedFlink.start(held.config(), held.engines(), "accepted")) {
            assertThat(held.answers(4)).containsExactlyInAnyOrderElementsOf(ids(4, 8));
            assertThat(job.result()).isNotDone();
        }
    }

    /** More than Flink's own storage for checkpoints in memory takes (5 MiB), and no more than the bound. */
    @Test
    void theSourcePausesAboveTheBytesInFlight() throws Exception {
        int bytes = 500_000;
        int bound = 8 << 20;
        held.keys.put("job.max-in-flight-bytes", bound + "b");
        held.keys.put("realtime.capacity", "64");
        held.send(0, LISTS, bytes);
        try (EmbeddedFlink job = EmbeddedFlink.start(held.config(), held.engines(), "paused")) {
            HeldJob.await(() -> HeldJob.inFlight(job) >= bound / bytes);
            held.awaitCommit();
            assertThat(HeldJob.inFlight(job)).isLessThanOrEqualTo(bound / bytes + 1);

            held.release();
            assertThat(new HashSet<>(held.answers(LISTS))).hasSize(LISTS);
        }
    }

    @Test
    void whatDoesNotDrainIsCountedAndNotCommitted() throws Exception {
        held.send(0, 8, 1);
        try (EmbeddedFlink job = EmbeddedFlink.start(held.config(), held.engines(), "stuck")) {
            HeldJob.await(() -> HeldJob.inFlight(job) == 8);
            held.awaitCommit();

            assertThat(job.drain(Duration.ofMillis(500))).isEqualTo(8);
            assertThat(List.of(held.committed(0), held.committed(1))).containsExactly(0L, 0L);
        }
    }

    @Test
    void whatDrainsIsAnsweredAndCommitted() throws Exception {
        held.send(0, 8, 1);
        try (EmbeddedFlink job = EmbeddedFlink.start(held.config(), held.engines(), "drained")) {
            HeldJob.await(() -> HeldJob.inFlight(job) == 8);
            held.release();

            assertThat(job.drain(Duration.ofSeconds(60))).isZero();
            assertThat(held.answers(8)).hasSize(8);
            assertThat(List.of(held.committed(0), held.committed(1))).containsExactly(4L, 4L);
        }
    }

    private static List<String> ids(int from, int to) {
        return IntStream.range(from, to).mapToObj(i -> "q" + i).toList();
    }
}
