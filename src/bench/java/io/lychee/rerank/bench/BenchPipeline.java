package io.lychee.rerank.bench;

import io.lychee.rerank.cli.CloseOnExit;
import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.cli.ProgressBar;
import io.lychee.rerank.cli.StatusLine;
import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.job.EmbeddedFlink;
import io.lychee.rerank.kafka.KafkaSources;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.kafka.TopicReader;
import io.lychee.rerank.kafka.TopicWriter;
import io.lychee.rerank.records.DeadLetterCodec;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineFactory;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.RerankedListCodec;
import io.lychee.rerank.wire.UnreadableException;
import java.time.Duration;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.jspecify.annotations.Nullable;

/**
 * The job in this process and a client on both ends of its topics. The sender never waits for answers, and time counts
 * from when a list was due, so a slow sender hides nothing. One thread calls; another receives.
 */
final class BenchPipeline implements AutoCloseable {

    private static final Duration POLL = Duration.ofMillis(100);
    private static final int WARM_UP_LISTS = 50;
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

    /** A list in flight. */
    private record Sent(BenchLoad load, long due) {}

    final Engine engine;
    final RerankConfig config;
    final BenchMemory memory = new BenchMemory();
    private final BenchLists lists;
    private final Random arrivals;
    private final Random contents;
    private final CloseOnExit resources = new CloseOnExit();
    private final EmbeddedFlink job;
    private final TopicWriter writer;
    private final Map<String, Sent> underWay = new ConcurrentHashMap<>();
    private final StatusLine status = new StatusLine();
    private final long wallMinusNanos = System.currentTimeMillis() * 1_000_000 - System.nanoTime();
    private volatile boolean closed;
    private volatile @Nullable Exception failure;
    private long sequence;
    private long nextSample = System.nanoTime();

    /** @param config with topics of this run's own */
    BenchPipeline(RerankConfig config, EngineFactory engines, BenchLists lists, long seed) throws Exception {
        this.config = config;
        this.lists = lists;
        this.arrivals = new Random(seed);
        this.contents = new Random(seed + 1);
        try {
            new TopicAdmin(config.kafka(), EmbeddedBroker.TIMEOUT)
                    .createMissing(TopicAdmin.topics(config.kafka()), config.parallelism());
            this.engine = resources.add(engines.lease()).engine();
            this.job =
                    resources.add(EmbeddedFlink.start(config, engines, "lychee-rerank bench"), config.drainTimeout());
            this.writer = resources.add(new TopicWriter(config.kafka(), Lane.REALTIME, null));
            Thread receiver = new Thread(this::receive, "bench-receiver");
            receiver.setDaemon(true);
            receiver.start();
            resources.add(() -> {
                closed = true;
                receiver.join(2 * POLL.toMillis());
            });
        } catch (Exception e) {
            resources.close();
            throw e;
        }
    }

    /** Sends as many as come in {@code duration} when they come independently at {@code rate} a second. */
    BenchLoad poisson(String what, Lane lane, double rate, Duration duration) throws Exception {
        BenchLoad load = new BenchLoad(lane);
        long start = System.nanoTime();
        long due = start + gap(rate);
        while (due - start < duration.toNanos()) {
            while (System.nanoTime() < due) {
                LockSupport.parkNanos(Math.min(due, nextSample) - System.nanoTime());
                watch(what, load, start, duration);
            }
            send(load, due, null);
            due += gap(rate);
        }
        return load;
    }

    /** Nanoseconds until the next list. */
    private long gap(double rate) {
        return (long) (-Math.log(1 - arrivals.nextDouble()) / rate * 1e9);
    }

    /** Sends all at once. */
    BenchLoad burst(Lane lane, int count, @Nullable Long timeoutMs) throws Exception {
        BenchLoad load = new BenchLoad(lane);
        for (int i = 0; i < count; i++) {
            send(load, System.nanoTime(), timeoutMs);
        }
        writer.flush();
        return load;
    }

    /** Sends each when the one before was answered. */
    BenchLoad oneByOne(String what, int count, Duration patience) throws Exception {
        BenchLoad load = new BenchLoad(Lane.REALTIME);
        for (int i = 0; i < count; i++) {
            send(load, System.nanoTime(), patience.toMillis());
            await(what, load, patience);
        }
        return load;
    }

    /** Until classes are loaded and compiled: lists one by one, then together. */
    void warmUp(Duration patience) throws Exception {
        oneByOne("warm-up", WARM_UP_LISTS, patience);
        await("warm-up", burst(Lane.REALTIME, WARM_UP_LISTS, patience.toMillis()), patience);
    }

    /** Returns when all are answered, or after {@code patience}. */
    void await(String what, BenchLoad load, Duration patience) throws Exception {
        long start = System.nanoTime();
        while (load.unanswered() > 0 && System.nanoTime() - start < patience.toNanos()) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
            watch(what, load, start, patience);
        }
    }

    /** Lets time pass while lists sent before are answered. */
    void pass(String what, BenchLoad load, Duration duration) throws Exception {
        long start = System.nanoTime();
        while (System.nanoTime() - start < duration.toNanos()) {
            LockSupport.parkNanos(Math.min(start + duration.toNanos(), nextSample) - System.nanoTime());
            watch(what, load, start, duration);
        }
    }

    private void send(BenchLoad load, long due, @Nullable Long timeoutMs) {
        String id = "bench-" + sequence++;
        byte[] value = CandidateListCodec.encode(lists.next(id, timeoutMs, contents), OutputFormat.AVRO);
        underWay.put(id, new Sent(load, due));
        load.sent(System.nanoTime() - due);
        RerankConfig.Kafka kafka = config.kafka();
        String topic = KafkaSources.topic(kafka, load.lane);
        long timestampMs = (due + wallMinusNanos) / 1_000_000;
        var unused = writer.send(topic, id, value, timestampMs);
    }

    /** Once a second: memory, the status line, and whether everything still runs. */
    private void watch(String what, BenchLoad load, long start, Duration duration) throws Exception {
        long now = System.nanoTime();
        if (now < nextSample) {
            return;
        }
        nextSample = now + SECOND;
        memory.sample();
        status.show(() -> {
            double seconds = (now - start) / 1e9;
            return "%s: %d lists sent, %d without answer, %s, at most %s left"
                    .formatted(
                            what,
                            load.sent(),
                            load.unanswered(),
                            ProgressBar.duration(seconds),
                            ProgressBar.duration(duration.toMillis() / 1e3 - seconds));
        });
        if (job.result().isDone()) {
            var unused = job.result().get(); // only a failure ends this job; get() says which
        }
        writer.requireSent();
        if (failure != null) {
            throw failure;
        }
    }

    private void receive() {
        RerankConfig.Kafka kafka = config.kafka();
        Set<String> topics = Set.of(kafka.resultsTopic(), kafka.backfillResultsTopic(), kafka.deadLettersTopic());
        try (TopicReader reader =
                new TopicReader(kafka, topics, TopicReader.From.BEGINNING, IsolationLevel.READ_COMMITTED)) {
            while (!closed) {
                for (ConsumerRecord<byte[], byte[]> record : reader.poll(POLL)) {
                    long now = System.nanoTime();
                    if (record.topic().equals(kafka.deadLettersTopic())) {
                        throw new IllegalStateException("a list became a dead letter: "
                                + DeadLetterCodec.decode(record.value()).message());
                    }
                    RerankedList answer = RerankedListCodec.decode(record.value());
                    Sent sent = underWay.remove(answer.requestId());
                    if (sent != null) {
                        sent.load.answered(new BenchLoad.Answered(
                                sent.due, (now - sent.due) / 1000, answer.status(), answer.latency()));
                    }
                }
            }
        } catch (RuntimeException | UnreadableException e) {
            failure = e;
        }
    }

    @Override
    public void close() {
        resources.close();
    }
}
