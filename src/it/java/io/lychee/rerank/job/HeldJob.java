package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.kafka.InFlight;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineFactory;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.scoring.Lists;
import io.lychee.rerank.scoring.TestingEncoder;
import io.lychee.rerank.scoring.TestingScorer;
import io.lychee.rerank.scoring.Ticker;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.RerankedListCodec;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** A real broker, and jobs in this process whose device answers only when it is let. */
final class HeldJob implements AutoCloseable {

    static final int PARTITIONS = 2;
    private static final Map<String, TestingScorer> SCORERS = new HashMap<>();
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

    final EmbeddedBroker broker = EmbeddedBroker.start();
    final Map<String, String> keys = new HashMap<>(Map.of(
            "kafka.bootstrap-servers", broker.bootstrapServers(),
            "model.checkpoint", "none",
            "realtime.timeout", "0 s",
            "realtime.capacity", "16",
            "pass.timeout", "10 min",
            "job.checkpoint-interval", "200 ms",
            "job.checkpoint-dir", broker.folder().resolve("checkpoints").toString(),
            "flink.restart-strategy.type", "none"));
    private final String device = UUID.randomUUID().toString();
    private final TestingScorer scorer = new TestingScorer();
    private final KafkaConsumer<byte[], byte[]> consumer;

    HeldJob() {
        SCORERS.put(device, scorer);
        hold();
        new TopicAdmin(config().kafka(), Duration.ofSeconds(30))
                .createMissing(TopicAdmin.topics(config().kafka()), PARTITIONS);
        consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", broker.bootstrapServers()),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
        List<TopicPartition> partitions = IntStream.range(0, PARTITIONS)
                .mapToObj(p -> new TopicPartition(config().kafka().resultsTopic(), p))
                .toList();
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
    }

    RerankConfig config() {
        return RerankConfig.of(keys);
    }

    EngineFactory engines() {
        return new HeldEngines(device);
    }

    private record HeldEngines(String device) implements EngineFactory {

        @Override
        public EngineRegistry.Lease lease(List<Integer> gpus) {
            return EngineRegistry.lease(
                    new EngineRegistry.Key(device, ""),
                    List.of("cpu"),
                    any -> new Engine(
                            new TestingEncoder(),
                            SCORERS.get(device),
                            Lists.settings(60),
                            Ticker.system(),
                            error -> {}),
                    Duration.ZERO);
        }
    }

    /** Keeps the device from answering. */
    void hold() {
        scorer.hold = new CountDownLatch(1);
    }

    /** Lets it answer. */
    void release() {
        scorer.hold.countDown();
    }

    /** Sends lists to both partitions in turn, each with so many bytes of text. */
    void send(int from, int to, int bytes) {
        try (var producer = new KafkaProducer<>(
                Map.<String, Object>of("bootstrap.servers", broker.bootstrapServers(), "max.request.size", 8_000_000),
                new ByteArraySerializer(),
                new ByteArraySerializer())) {
            for (int i = from; i < to; i++) {
                byte[] list = CandidateListCodec.encode(
                        Lists.withTexts("q" + i, List.of("a".repeat(bytes), "b"), null, null), OutputFormat.AVRO);
                var unused = producer.send(
                        new ProducerRecord<>(config().kafka().requestsTopic(), i % PARTITIONS, null, list));
            }
        }
    }

    /** Returns the request ids of so many answers, in their order. */
    List<String> answers(int count) throws Exception {
        List<String> ids = new ArrayList<>();
        while (ids.size() < count) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                ids.add(RerankedListCodec.decode(record.value()).requestId());
            }
        }
        assertThat(ids).hasSize(count);
        return ids;
    }

    /** Returns the group's committed offset of a partition; -1 for none. */
    long committed(int partition) {
        OffsetAndMetadata offset = offset(partition);
        return offset == null ? -1 : offset.offset();
    }

    OffsetAndMetadata offset(int partition) {
        return new TopicAdmin(config().kafka(), Duration.ofSeconds(30))
                .committed()
                .get(new TopicPartition(config().kafka().requestsTopic(), partition));
    }

    /** Waits until a checkpoint that begins from now on is committed. */
    void awaitCommit() {
        for (int i = 0; i < 2; i++) {
            OffsetAndMetadata before = offset(0);
            await(() -> offset(0) != null && !offset(0).equals(before));
        }
    }

    static long inFlight(EmbeddedFlink job) {
        return InFlight.records(job.client().getJobID().toHexString());
    }

    /** Waits without a limit; tests have their own. */
    static void await(BooleanSupplier condition) {
        while (!condition.getAsBoolean()) {
            LockSupport.parkNanos(LOOK_NANOS);
        }
    }

    @Override
    public void close() {
        release();
        consumer.close();
        broker.close();
    }
}
