package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Restores state of the first build, whose lists in flight {@link StateFixtureMaker} published. */
@Timeout(value = 180, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class StateFixtureTest {

    static final Path FOLDER = Path.of("src/test/resources/state");
    /** The group id's default. */
    static final String GROUP = "lychee-rerank";

    static final List<TopicPartition> INPUTS = Stream.of("rerank.requests", "rerank.backfill")
            .flatMap(topic -> Stream.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1)))
            .toList();

    /** Records of a partition that were answered before any list was held. */
    static final int ANSWERED = 3;
    /** An offset between lists in flight whose record was answered, because it has no candidates. */
    static final int EMPTY = 5;
    /** The fixture's next offset of a partition. */
    static final int READ = 8;

    private static final int LATER = READ + 2;
    static final int IN_FLIGHT = INPUTS.size() * (READ - ANSWERED - 1);

    private final HeldJob held = new HeldJob();

    @AfterEach
    void stop() {
        held.close();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "at-least-once/savepoint",
                "at-least-once/checkpoint",
                "exactly-once/savepoint",
                "exactly-once/checkpoint"
            })
    void everyListInFlightIsAnsweredOnceAndTheSourcesGoOn(String fixture) throws Exception {
        held.keys.put("kafka.delivery-guarantee", fixture.substring(0, fixture.indexOf('/')));
        held.keys.put("kafka.output-format", "json");
        held.keys.put(
                "flink.execution.state-recovery.path",
                FOLDER.resolve(fixture).toUri().toString());
        publish();

        try (EmbeddedFlink job = EmbeddedFlink.start(held.config(), held.engines(), "restored")) {
            int inFlight = IN_FLIGHT + INPUTS.size() * (LATER - READ);
            HeldJob.await(() -> job.result().isDone() || HeldJob.inFlight(job) == inFlight);
            assertThat(job.result()).isNotDone();
            held.awaitCommit();
            assertThat(committed(held)).as("lowest unanswered offsets").isEqualTo(offsets(ANSWERED));

            held.release();
            assertThat(job.drain(Duration.ofSeconds(60))).isZero();
        }

        assertThat(committed(held)).isEqualTo(offsets(LATER));
        assertThat(answers()).containsExactlyInAnyOrderElementsOf(expected());
    }

    /** Publishes what only a source that reads from the start would answer, and what comes after the fixture. */
    private void publish() throws Exception {
        try (var producer = producer(held)) {
            for (TopicPartition partition : INPUTS) {
                for (int offset = 0; offset < LATER; offset++) {
                    String id = (offset < READ ? "again-" : "") + id(partition, offset);
                    var unused = producer.send(record(partition, offset, json(id, 2)));
                }
            }
        }
    }

    private static List<Map<String, String>> expected() {
        List<Map<String, String>> expected = new ArrayList<>();
        for (TopicPartition partition : INPUTS) {
            for (int offset = ANSWERED; offset < LATER; offset++) {
                if (offset != EMPTY) {
                    String id = id(partition, offset);
                    String topic =
                            partition.topic().equals("rerank.requests") ? "rerank.results" : "rerank.backfill.results";
                    expected.add(answer(topic, id, "COMPLETE", 2, headers(offset, id)));
                }
            }
        }
        return expected;
    }

    private static Map<String, String> answer(
            String topic, String id, String status, int candidates, Map<String, String> headers) {
        Map<String, String> answer = new TreeMap<>(headers);
        answer.put("topic", topic);
        answer.put("request_id", id);
        answer.put("status", status);
        answer.put("candidates", Integer.toString(candidates));
        return answer;
    }

    /** Reads all answers and dead letters that are committed. */
    private List<Map<String, String>> answers() throws Exception {
        List<Map<String, String>> answers = new ArrayList<>();
        try (var consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", held.broker.bootstrapServers(), "isolation.level", "read_committed"),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer())) {
            List<TopicPartition> outputs = Stream.of("rerank.results", "rerank.backfill.results", "rerank.dead-letters")
                    .flatMap(topic -> Stream.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1)))
                    .toList();
            consumer.assign(outputs);
            consumer.seekToBeginning(outputs);
            Map<TopicPartition, Long> ends = consumer.endOffsets(outputs);
            while (outputs.stream().anyMatch(output -> consumer.position(output) < ends.get(output))) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    var json = new ObjectMapper().readTree(record.value());
                    Map<String, String> headers = new HashMap<>();
                    for (Header header : record.headers()) {
                        headers.put(header.key(), text(header.value()));
                    }
                    answers.add(answer(
                            record.topic(),
                            json.path("request_id").asText(),
                            json.path("status").asText(),
                            json.path("results").size(),
                            headers));
                }
            }
        }
        return answers;
    }

    /** Maps each partition to the same offset. */
    static Map<TopicPartition, Long> offsets(long offset) {
        return INPUTS.stream().collect(Collectors.toMap(partition -> partition, partition -> offset));
    }

    static String id(TopicPartition partition, int offset) {
        return partition + "-" + offset;
    }

    static byte[] json(String id, int candidates) {
        String each = "{\"id\":\"c\",\"text\":\"chair\",\"attributes\":{\"colour\":\"red\"}}";
        return "{\"request_id\":\"%s\",\"query\":{\"text\":\"a chair\"},\"candidates\":[%s]}"
                .formatted(id, String.join(",", Collections.nCopies(candidates, each)))
                .getBytes(StandardCharsets.UTF_8);
    }

    /** Makes a record with two headers, one of them without a value, and where its offset is odd, with a key. */
    static ProducerRecord<byte[], byte[]> record(TopicPartition partition, int offset, byte[] list) {
        byte[] key = offset % 2 == 0 ? null : ("key-" + offset).getBytes(StandardCharsets.UTF_8);
        var record = new ProducerRecord<>(partition.topic(), partition.partition(), key, list);
        record.headers().add("trace", id(partition, offset).getBytes(StandardCharsets.UTF_8));
        record.headers().add("none", null);
        return record;
    }

    private static Map<String, String> headers(int offset, String id) {
        Map<String, String> headers = new HashMap<>(Map.of("trace", id));
        headers.put("none", null);
        if (offset % 2 != 0) {
            headers.put("lychee.key", "key-" + offset);
        }
        return headers;
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    static KafkaProducer<byte[], byte[]> producer(HeldJob held) {
        return new KafkaProducer<>(
                Map.of("bootstrap.servers", held.broker.bootstrapServers(), "max.in.flight.requests.per.connection", 1),
                new ByteArraySerializer(),
                new ByteArraySerializer());
    }

    /** Reads the group's offsets. */
    static Map<TopicPartition, Long> committed(HeldJob held) throws Exception {
        Map<TopicPartition, Long> offsets = new HashMap<>();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", held.broker.bootstrapServers()))) {
            admin.listConsumerGroupOffsets(GROUP)
                    .partitionsToOffsetAndMetadata()
                    .get()
                    .forEach((partition, offset) -> offsets.put(partition, offset.offset()));
        }
        return offsets;
    }
}
