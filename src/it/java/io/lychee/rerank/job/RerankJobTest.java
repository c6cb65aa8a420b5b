package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.records.DeadLetter;
import io.lychee.rerank.records.DeadLetterCodec;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.DeadLetterReason;
import io.lychee.rerank.wire.RerankedListCodec;
import io.lychee.rerank.wire.UnreadableException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Topics to topics on a real broker, with the golden checkpoint: what goes in comes out, once, or is a dead letter. */
@Timeout(300)
class RerankJobTest {

    private static final int LISTS = 1000;
    private static final int MAX_RECORD_BYTES = 64 * 1024;

    private final EmbeddedBroker broker = EmbeddedBroker.start();
    private final RerankConfig config = RerankConfig.of(Map.of(
            "kafka.bootstrap-servers", broker.bootstrapServers(),
            "kafka.max-record-bytes", MAX_RECORD_BYTES + " bytes",
            "model.checkpoint", Path.of("src/test/resources/golden/checkpoint").toString(),
            "model.device", "cpu",
            "realtime.timeout", "5 min",
            "job.checkpoint-interval", "1 s",
            "flink.restart-strategy.type", "none"));
    private final KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
            Map.of("bootstrap.servers", broker.bootstrapServers(), "max.request.size", 1 << 22),
            new ByteArraySerializer(),
            new ByteArraySerializer());
    private final List<ConsumerRecord<byte[], byte[]>> results = new ArrayList<>();
    private final List<ConsumerRecord<byte[], byte[]>> backfillResults = new ArrayList<>();
    private final List<DeadLetter> dead = new ArrayList<>();

    private KafkaConsumer<byte[], byte[]> consumer;
    private JobClient job;

    @BeforeEach
    void start() throws Exception {
        RerankConfig.Kafka kafka = config.kafka();
        // topics that take more than the job does
        RerankConfig roomy = RerankConfig.of(
                Map.of("kafka.bootstrap-servers", broker.bootstrapServers(), "model.checkpoint", "none"));
        new TopicAdmin(roomy.kafka(), Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(kafka), 2);
        consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", broker.bootstrapServers()),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
        List<TopicPartition> partitions = new ArrayList<>();
        for (String topic : List.of(kafka.resultsTopic(), kafka.backfillResultsTopic(), kafka.deadLettersTopic())) {
            partitions.add(new TopicPartition(topic, 0));
            partitions.add(new TopicPartition(topic, 1));
        }
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        StreamExecutionEnvironment env = RerankJob.environment(config);
        RerankJob.build(env, config, new QwenEngineFactory(config));
        job = env.executeAsync("test");
    }

    @AfterEach
    void stop() throws Exception {
        job.cancel().get(60, TimeUnit.SECONDS);
        consumer.close();
        producer.close();
        broker.close();
    }

    @Test
    void everyRecordIsAnsweredOrDead() throws Exception {
        Random random = new Random(7);
        Map<String, CandidateList> asked = new HashMap<>();
        Map<DeadLetterReason, Integer> broken = new HashMap<>();
        for (int i = 0; i < LISTS; i++) {
            CandidateList list = list("q" + i, random);
            asked.put(list.requestId(), list);
            byte[] value = CandidateListCodec.encode(list, i % 2 == 0 ? OutputFormat.AVRO : OutputFormat.JSON);
            byte[] key = i % 3 == 0 ? null : bytes(i % 3 == 1 ? list.requestId() : "shard-" + i);
            send(
                    i % 10 == 9
                            ? config.kafka().backfillTopic()
                            : config.kafka().requestsTopic(),
                    key,
                    value,
                    "trace-" + i);
            if (i % 40 == 0) {
                sendBroken(i / 40, value, broken);
            }
        }
        producer.flush();
        int deadExpected = broken.values().stream().mapToInt(n -> n).sum();
        poll(LISTS, deadExpected);

        for (ConsumerRecord<byte[], byte[]> record : answers()) {
            RerankedList answer = RerankedListCodec.decode(record.value());
            assertAnswers(asked.remove(answer.requestId()), answer);
            assertKeyAndHeaders(record, answer.requestId());
        }
        assertThat(asked).as("every list is answered once").isEmpty();
        assertThat(backfillResults).hasSize(LISTS / 10);
        Map<DeadLetterReason, Integer> found = new HashMap<>();
        for (DeadLetter letter : dead) {
            found.merge(letter.reason(), 1, Integer::sum);
            assertThat(letter.origin().source).isEqualTo(config.kafka().requestsTopic());
            assertThat(letter.origin().offset).isNotNegative();
            assertThat(letter.message()).isNotBlank();
        }
        assertThat(found).isEqualTo(broken);

        // the job lives
        send(
                config.kafka().requestsTopic(),
                null,
                CandidateListCodec.encode(list("last", random), OutputFormat.AVRO),
                "t");
        producer.flush();
        results.clear();
        poll(backfillResults.size() + 1, deadExpected);
        assertThat(RerankedListCodec.decode(results.get(0).value()).requestId()).isEqualTo("last");
        assertThat(job.getJobStatus().get()).isEqualTo(JobStatus.RUNNING);
    }

    private void sendBroken(int n, byte[] good, Map<DeadLetterReason, Integer> broken) {
        byte[] value = switch (n % 5) {
            case 0 -> bytes("no list at all");
            case 1 -> null;
            case 2 -> new byte[0];
            case 3 -> bytes("{\"request_id\":\"big\",\"query\":{\"text\":\"" + "x".repeat(100_000) + "\"}}");
            default -> bytes("{\"request_id\":\"not valid!\",\"query\":{\"text\":\"x\"},\"candidates\":[]}");
        };
        DeadLetterReason reason = switch (n % 5) {
            case 0 -> DeadLetterReason.UNDECODABLE;
            case 1, 2 -> DeadLetterReason.EMPTY_RECORD;
            case 3 -> DeadLetterReason.OVERSIZED;
            default -> DeadLetterReason.INVALID;
        };
        broken.merge(reason, 1, Integer::sum);
        send(config.kafka().requestsTopic(), bytes("broken-" + n), value, "broken");
        if (n % 5 == 0) {
            // an Avro record that ends too early
            broken.merge(DeadLetterReason.UNDECODABLE, 1, Integer::sum);
            byte[] avro = good[0] == '{' ? bytes("{\"request_id\":") : java.util.Arrays.copyOf(good, good.length / 2);
            send(config.kafka().requestsTopic(), null, avro, "broken");
        }
    }

    private static void assertAnswers(CandidateList list, RerankedList answer) {
        assertThat(list)
                .as("answered twice, or never asked: %s", answer.requestId())
                .isNotNull();
        assertThat(answer.status()).isEqualTo(ListStatus.COMPLETE);
        assertThat(answer.leftOut()).isEmpty();
        List<Integer> retrievalRanks = answer.results().stream()
                .map(RankedCandidate::retrievalRank)
                .sorted()
                .toList();
        assertThat(retrievalRanks)
                .isEqualTo(IntStream.rangeClosed(1, list.candidates().size())
                        .boxed()
                        .toList());
        assertThat(answer.results()).allSatisfy(c -> {
            assertThat(c.score()).isBetween(0.0, 1.0);
            assertThat(c.id())
                    .isEqualTo(list.candidates().get(c.retrievalRank() - 1).id());
        });
        assertThat(answer.attributes()).isEqualTo(list.attributes());
        assertThat(answer.model().name()).isEqualTo("checkpoint");
        assertThat(answer.latency().total()).isPositive();
    }

    private static void assertKeyAndHeaders(ConsumerRecord<byte[], byte[]> record, String requestId) {
        int i = Integer.parseInt(requestId.substring(1));
        assertThat(new String(record.key(), StandardCharsets.UTF_8)).isEqualTo(requestId);
        Map<String, String> headers = new HashMap<>();
        for (Header header : record.headers()) {
            headers.put(header.key(), new String(header.value(), StandardCharsets.UTF_8));
        }
        assertThat(headers).containsEntry("trace", "trace-" + i);
        if (i % 3 == 2) {
            assertThat(headers).containsEntry("lychee.key", "shard-" + i);
        } else {
            assertThat(headers).doesNotContainKey("lychee.key");
        }
    }

    private List<ConsumerRecord<byte[], byte[]>> answers() {
        List<ConsumerRecord<byte[], byte[]>> all = new ArrayList<>(results);
        all.addAll(backfillResults);
        return all;
    }

    /** Reads until so many answers and dead letters are here; the test's timeout ends a wait in vain. */
    private void poll(int answers, int deadLetters) throws UnreadableException {
        while (results.size() + backfillResults.size() < answers || dead.size() < deadLetters) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                if (record.topic().equals(config.kafka().deadLettersTopic())) {
                    dead.add(DeadLetterCodec.decode(record.value()));
                } else if (record.topic().equals(config.kafka().resultsTopic())) {
                    results.add(record);
                } else {
                    backfillResults.add(record);
                }
            }
        }
    }

    private void send(String topic, byte[] key, byte[] value, String trace) {
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, key, value);
        record.headers().add("trace", bytes(trace));
        var unused = producer.send(record);
    }

    private static CandidateList list(String id, Random random) {
        List<Candidate> candidates = IntStream.range(0, 1 + random.nextInt(3))
                .mapToObj(i -> new Candidate(
                        "c" + i,
                        new Content(words(random), List.of()),
                        random.nextDouble(),
                        Map.of("sales", "" + random.nextInt(100)),
                        random.nextInt(3)))
                .toList();
        return new CandidateList(
                id,
                null,
                Map.of("group", "g" + random.nextInt(4)),
                new Content(words(random), List.of()),
                candidates,
                null,
                null);
    }

    private static String words(Random random) {
        String[] words = {"red", "blue", "dress", "jacket", "mug", "白色", "裙子", "for the beach", "in vintage style"};
        StringBuilder text = new StringBuilder();
        for (int i = 0; i <= random.nextInt(4); i++) {
            text.append(words[random.nextInt(words.length)]).append(' ');
        }
        return text.toString().strip();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
