package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.config.Delivery;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.job.Traffic;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/** {@code ./lychee job} in a process of its own, ended at random moments and started again by the same command. */
final class JobRounds implements AutoCloseable {

    static final Pattern RUNS = Pattern.compile("reranking (\\S+) and");
    private static final int CAPACITY = 16;
    private static final long DRAINED_SECONDS = 60;

    final Traffic traffic;
    private final Path folder;
    private final Random random;
    private final EmbeddedBroker broker = EmbeddedBroker.start();
    private final Path conf;
    private long mayRepeat;
    private int repeatsAfterDrain;

    JobRounds(Path folder, Delivery delivery, long seed) throws Exception {
        System.out.println("JobRounds " + delivery + ", seed " + seed);
        this.folder = folder;
        this.random = new Random(seed);
        this.conf = Files.writeString(folder.resolve("rerank.properties"), """
                kafka.bootstrap-servers=%s
                kafka.delivery-guarantee=%s
                model.checkpoint=%s
                model.device=cpu
                realtime.timeout=0 s
                realtime.capacity=%d
                job.checkpoint-interval=1 s
                job.checkpoint-dir=%s
                """.formatted(
                        broker.bootstrapServers(),
                        delivery,
                        Path.of("src/test/resources/golden/checkpoint").toAbsolutePath(),
                        CAPACITY,
                        folder.resolve("checkpoints")));
        this.traffic = new Traffic(
                RerankConfig.of(RerankConfig.merge(conf, Map.of(), Map.of())).kafka());
    }

    Path conf() {
        return conf;
    }

    /** Starts the job, and ends it without warning after some answers. */
    void kill() throws Exception {
        try (ChildProcess job = start()) {
            answerSome(job);
            var unused = job.process().destroyForcibly().onExit().get();
        }
        mayRepeat += traffic.answeredAboveCommitted() + CAPACITY;
    }

    /** Starts the job, and asks it to end after some answers; none of its own answers is repeated later. */
    void terminate() throws Exception {
        traffic.pollAll();
        Map<String, Integer> before = traffic.counts();
        try (ChildProcess job = start()) {
            answerSome(job);
            end(job);
            assertThat(job.output()).contains("every list that was taken is answered");
        }
        traffic.pollAll();
        Map<String, Integer> drained = new HashMap<>(traffic.counts());
        drained.entrySet().removeAll(before.entrySet());
        try (ChildProcess job = start()) {
            traffic.allAnswered(() -> requireAlive(job));
            end(job);
        }
        traffic.pollAll();
        Map<String, Integer> after = traffic.counts();
        drained.forEach((id, times) -> repeatsAfterDrain += after.getOrDefault(id, 0) - times);
    }

    private ChildProcess start() throws Exception {
        Path log = Files.createTempFile(folder, "job-", ".log");
        ChildProcess job = ChildProcess.start(log, "job", "--conf", conf.toString());
        var unused = job.await(RUNS);
        return job;
    }

    private void answerSome(ChildProcess job) throws Exception {
        traffic.answered(5 + random.nextInt(60), () -> requireAlive(job));
    }

    static void requireAlive(ChildProcess job) {
        try {
            assertThat(job.process().isAlive()).as(job.output()).isTrue();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void end(ChildProcess job) throws Exception {
        job.process().destroy();
        assertThat(job.process().waitFor(DRAINED_SECONDS, TimeUnit.SECONDS)).isTrue();
        assertThat(job.process().exitValue()).as(job.output()).isZero();
    }

    /** Checks what either guarantee promises. */
    void requireKept() {
        System.out.println(this);
        assertThat(traffic.lost()).as("%s", this).isZero();
        assertThat(repeatsAfterDrain).as("%s", this).isZero();
        assertThat((long) traffic.repeats())
                .as("%s", this)
                .isLessThanOrEqualTo(traffic.toString().startsWith("exactly-once") ? 0 : mayRepeat);
    }

    @Override
    public String toString() {
        return "%s of at most %d, %d of them after SIGTERM".formatted(traffic, mayRepeat, repeatsAfterDrain);
    }

    @Override
    public void close() {
        traffic.close();
        broker.close();
    }
}
