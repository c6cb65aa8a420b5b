package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.Delivery;
import io.lychee.rerank.config.OnDeath;
import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.kafka.TopicCheck;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineFactory;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.scoring.Lists;
import io.lychee.rerank.scoring.ScoringException;
import io.lychee.rerank.scoring.TestingEncoder;
import io.lychee.rerank.scoring.TestingScorer;
import io.lychee.rerank.scoring.Ticker;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.RerankedListCodec;
import java.io.File;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.avro.message.BinaryMessageEncoder;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A device that dies in the middle of the work: another engine takes over and every list is answered with scores. */
@Timeout(180)
class DeliveryTest {

    private static final int LISTS = 400;
    private static final int NEWER_LISTS = 20;
    private static final AtomicInteger ENGINES = new AtomicInteger();

    private final EmbeddedBroker broker = EmbeddedBroker.start();

    @AfterEach
    void stop() {
        broker.close();
    }

    @ParameterizedTest
    @EnumSource(Delivery.class)
    void aDeadEngineLosesNothing(Delivery delivery) throws Exception {
        RerankConfig config = RerankConfig.of(keys(delivery));
        Set<String> topics = TopicAdmin.topics(config.kafka());
        new TopicAdmin(config.kafka(), Duration.ofSeconds(30)).createMissing(topics, 2);
        assertThat(new TopicCheck(config.kafka(), Duration.ofSeconds(30)).check(topics))
                .isEmpty();
        ENGINES.set(0);
        send(config.kafka().requestsTopic());

        JobClient job = start(config, delivery.name());
        Map<String, Integer> answers = new HashMap<>();
        try (KafkaConsumer<byte[], byte[]> consumer =
                consumer(config.kafka().resultsTopic(), delivery == Delivery.EXACTLY_ONCE)) {
            while (answers.size() < LISTS) {
                count(consumer, answers);
            }
            // what is still on its way would be doubled
            job.stopWithSavepoint(
                            false, broker.folder().resolve("savepoint").toUri().toString(), null)
                    .get(60, TimeUnit.SECONDS);
            count(consumer, answers);
        }

        assertThat(ENGINES).as("the first one died").hasValue(2);
        assertThat(answers).hasSize(LISTS);
        if (delivery == Delivery.EXACTLY_ONCE) {
            assertThat(new HashSet<>(answers.values()))
                    .as("times each was answered")
                    .containsExactly(1);
        }
    }

    @Test
    void aSavepointGoesOnWithAnotherParallelism() throws Exception {
        Map<String, String> keys = keys(Delivery.EXACTLY_ONCE);
        RerankConfig config = RerankConfig.of(keys);
        new TopicAdmin(config.kafka(), Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(config.kafka()), 2);
        ENGINES.set(1);
        send(config.kafka().requestsTopic());
        Map<String, Integer> answers = new HashMap<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(config.kafka().resultsTopic(), true)) {
            JobClient first = start(config, "savepoint");
            while (answers.isEmpty()) {
                count(consumer, answers);
            }
            keys.put("flink.execution.state-recovery.path", stop(first));
            count(consumer, answers);
            assertThat(answers).as("answered before the stop").hasSizeLessThan(LISTS);

            keys.put("job.parallelism", "3");
            JobClient second = start(RerankConfig.of(keys), "savepoint");
            while (answers.size() < LISTS) {
                count(consumer, answers);
            }
            var unused = stop(second);
            count(consumer, answers);
        }
        assertThat(new HashSet<>(answers.values()))
                .as("times each was answered")
                .containsExactly(1);
    }

    /** The newer version is a process with a newer schema in front of its class path. */
    @Test
    void aSavepointGoesOnWithANewerSchema() throws Exception {
        Map<String, String> keys = keys(Delivery.EXACTLY_ONCE);
        RerankConfig.Kafka kafka = RerankConfig.of(keys).kafka();
        new TopicAdmin(kafka, Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(kafka), 2);
        ENGINES.set(1);
        send(kafka.requestsTopic());
        Map<String, Integer> answers = new HashMap<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(kafka.resultsTopic(), true)) {
            JobClient first = start(RerankConfig.of(keys), "schema");
            while (answers.isEmpty()) {
                count(consumer, answers);
            }
            keys.put("flink.execution.state-recovery.path", stop(first));
            count(consumer, answers);
            assertThat(answers).as("answered before the stop").hasSizeLessThan(LISTS);

            Path classes = broker.folder().resolve("newer");
            Schema newer = newerSchema(classes);
            sendNewer(kafka.requestsTopic(), newer);
            List<String> command = new ArrayList<>(List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-cp",
                    classes + File.pathSeparator + System.getProperty("java.class.path"),
                    NewerJob.class.getName()));
            keys.forEach((key, value) -> command.add(key + "=" + value));
            Path log = broker.folder().resolve("newer.log");
            Process second = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(log.toFile())
                    .start();
            try {
                while (answers.size() < LISTS + NEWER_LISTS) {
                    count(consumer, answers);
                    assertThat(second.isAlive()).as(log.toString()).isTrue();
                }
                // what would be doubled comes with the next checkpoints
                for (int i = 0; i < 5; i++) {
                    count(consumer, answers);
                }
            } finally {
                second.destroyForcibly().waitFor();
            }
        }
        assertThat(answers.keySet().stream().filter(id -> id.startsWith("newer")))
                .hasSize(NEWER_LISTS);
        assertThat(new HashSet<>(answers.values()))
                .as("times each was answered")
                .containsExactly(1);
    }

    /** The current one with a field more, where the class path's resources lie. */
    private static Schema newerSchema(Path classes) throws Exception {
        String current = Files.readString(Path.of("schemas/candidate_list.avsc"));
        int end = current.lastIndexOf(']');
        String newer = current.substring(0, end)
                + ", {\"name\": \"channel\", \"type\": [\"null\", \"string\"], \"default\": null, \"doc\": \"New.\"}"
                + current.substring(end);
        Path folder = Files.createDirectories(classes.resolve("schemas"));
        Files.writeString(folder.resolve("candidate_list.avsc"), newer);
        return new Schema.Parser().parse(newer);
    }

    private void sendNewer(String topic, Schema newer) throws Exception {
        Schema current = new Schema.Parser().parse(Files.readString(Path.of("schemas/candidate_list.avsc")));
        BinaryMessageDecoder<GenericRecord> decoder = new BinaryMessageDecoder<>(GenericData.get(), newer);
        decoder.addSchema(current);
        BinaryMessageEncoder<GenericRecord> encoder = new BinaryMessageEncoder<>(GenericData.get(), newer);
        Map<String, Object> client = client();
        try (var producer = new KafkaProducer<>(client, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int i = 0; i < NEWER_LISTS; i++) {
                GenericRecord list =
                        decoder.decode(CandidateListCodec.encode(Lists.of("newer" + i, 3), OutputFormat.AVRO));
                list.put("channel", "app");
                ByteBuffer bytes = encoder.encode(list);
                byte[] value = new byte[bytes.remaining()];
                bytes.get(value);
                var unused = producer.send(new ProducerRecord<>(topic, value));
            }
        }
    }

    /** A process that goes on from a savepoint until it is killed. */
    static final class NewerJob {
        public static void main(String[] args) throws Exception {
            Map<String, String> keys = new HashMap<>();
            for (String arg : args) {
                int equals = arg.indexOf('=');
                keys.put(arg.substring(0, equals), arg.substring(equals + 1));
            }
            ENGINES.set(1);
            var unused = start(RerankConfig.of(keys), "newer")
                    .getJobExecutionResult()
                    .get();
        }
    }

    private static JobClient start(RerankConfig config, String engine) throws Exception {
        StreamExecutionEnvironment env = RerankJob.environment(config);
        RerankJob.build(env, config, new MortalEngines(engine));
        return env.executeAsync("test");
    }

    private String stop(JobClient job) throws Exception {
        String folder = broker.folder().resolve("savepoint").toUri().toString();
        return job.stopWithSavepoint(false, folder, SavepointFormatType.DEFAULT).get(60, TimeUnit.SECONDS);
    }

    @Test
    void aProcessWhoseDeviceDiedEnds() throws Exception {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Dying.class.getName())
                .redirectErrorStream(true)
                .redirectOutput(broker.folder().resolve("dying.log").toFile())
                .start();

        assertThat(process.waitFor()).isEqualTo(QwenEngineFactory.DEAD_DEVICE);
    }

    /** A process with a device that fails its first pass. */
    static final class Dying {
        public static void main(String[] args) {
            TestingScorer scorer = new TestingScorer();
            scorer.failure = new ScoringException("the device is gone");
            Engine engine = new Engine(
                    new TestingEncoder(),
                    scorer,
                    Lists.settings(60),
                    Ticker.system(),
                    QwenEngineFactory.onDeath(OnDeath.EXIT));
            engine.submit(Lists.of("q", 1), Lists.realtime()).join();
        }
    }

    private static void count(KafkaConsumer<byte[], byte[]> consumer, Map<String, Integer> answers) throws Exception {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(300))) {
            RerankedList answer = RerankedListCodec.decode(record.value());
            assertThat(answer.status()).isEqualTo(ListStatus.COMPLETE);
            answers.merge(answer.requestId(), 1, Integer::sum);
        }
    }

    private Map<String, String> keys(Delivery delivery) {
        return new HashMap<>(Map.of(
                "kafka.bootstrap-servers", broker.bootstrapServers(),
                "kafka.delivery-guarantee", delivery.toString(),
                "model.checkpoint", "none",
                "realtime.capacity", "8",
                "realtime.timeout", "0 s",
                "job.checkpoint-interval", "200 ms",
                "flink.restart-strategy.type", "fixed-delay",
                "flink.restart-strategy.fixed-delay.attempts", "1",
                "flink.restart-strategy.fixed-delay.delay", "100 ms"));
    }

    private void send(String topic) throws Exception {
        Map<String, Object> client = client();
        try (var producer = new KafkaProducer<>(client, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int i = 0; i < LISTS; i++) {
                byte[] list = CandidateListCodec.encode(Lists.of("q" + i, 3), OutputFormat.AVRO);
                var unused = producer.send(new ProducerRecord<>(topic, list));
            }
        }
    }

    /** One request at a time: on a topic so new, what is sent ahead of a refused record is refused for ever. */
    private Map<String, Object> client() {
        return Map.of("bootstrap.servers", broker.bootstrapServers(), "max.in.flight.requests.per.connection", 1);
    }

    private KafkaConsumer<byte[], byte[]> consumer(String topic, boolean committed) {
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
                Map.of(
                        "bootstrap.servers",
                        broker.bootstrapServers(),
                        "isolation.level",
                        committed ? "read_committed" : "read_uncommitted"),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
        List<TopicPartition> partitions = List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1));
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        return consumer;
    }

    /** The first engine takes a few milliseconds a pass and dies after 30, the second lives. */
    private record MortalEngines(String key) implements EngineFactory {

        @Override
        public EngineRegistry.Lease lease(List<Integer> gpus) {
            return EngineRegistry.lease(
                    new EngineRegistry.Key(key, ""), List.of("cpu"), device -> open(), Duration.ZERO);
        }

        private static Engine open() {
            TestingScorer scorer = new TestingScorer();
            scorer.passMillis = 5;
            if (ENGINES.incrementAndGet() == 1) {
                scorer.lifetime = 30;
                scorer.failure = new ScoringException("the device is gone");
            }
            return new Engine(new TestingEncoder(), scorer, Lists.settings(60), Ticker.system(), error -> {});
        }
    }
}
