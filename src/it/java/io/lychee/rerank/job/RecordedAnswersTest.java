package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.engine.QwenEngineFactory;
import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Compares the outcomes of 2,000 recorded records with recorded ones, on a CPU with the demo checkpoint. */
@Timeout(600)
class RecordedAnswersTest {

    static final Path INPUTS = Path.of("src/test/resources/recorded/inputs.bin.gz");
    static final Path OUTCOMES = Path.of("src/test/resources/recorded/outcomes.jsonl.gz");
    /** Bound on the difference of two scores, which by rounding depend on the other pairs of their pass. */
    private static final double TOLERANCE = 1e-6;

    /** Records that may pass the bound up to tenfold: another processor adds in another order. */
    private static final int ROUNDED_OTHERWISE = 20;

    /** Bound for scores near 0. */
    private static final double RELATIVE_TOLERANCE = 1e-4;

    static final String BACKFILL = "rerank.backfill";

    private static final String REQUESTS = "rerank.requests";
    private static final String DEAD_LETTERS = "rerank.dead-letters";
    private static final List<String> OUTPUTS = List.of("rerank.results", "rerank.backfill.results", DEAD_LETTERS);
    private static final int SHOWN = 10;
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path images;

    @Test
    void everyRecordComesOutOnceAsRecorded() throws Exception {
        List<JsonNode> expected = readOutcomes();
        List<JsonNode> actual = outcomes(readInputs(), images);

        assertThat(actual).hasSize(2000).hasSameSizeAs(expected);
        List<String> differences = new ArrayList<>();
        int roundedOtherwise = 0;
        for (int i = 0; i < actual.size(); i++) {
            takeCloseScores(expected.get(i), actual.get(i), 1);
            if (!actual.get(i).equals(expected.get(i)) && roundedOtherwise < ROUNDED_OTHERWISE) {
                roundedOtherwise++;
                takeCloseScores(expected.get(i), actual.get(i), 10);
            }
            if (!actual.get(i).equals(expected.get(i))) {
                differences.add("record %d: expected %s%nbut was %s".formatted(i, expected.get(i), actual.get(i)));
            }
        }
        assertThat(differences.stream().limit(SHOWN))
                .as("%d of %d outcomes differ", differences.size(), actual.size())
                .isEmpty();
    }

    /** Replaces scores within this many tolerances by the expected ones. */
    private static void takeCloseScores(JsonNode expected, JsonNode actual, int tolerances) {
        takeCloseScores(expected, actual, tolerances, "results");
        takeCloseScores(expected, actual, tolerances, "left_out");
    }

    private static void takeCloseScores(JsonNode expected, JsonNode actual, int tolerances, String field) {
        for (int i = 0; i < actual.path(field).size(); i++) {
            for (String score : List.of("score", "rank_value")) {
                JsonNode wanted = expected.path(field).path(i).path(score);
                JsonNode found = actual.path(field).path(i).path(score);
                if (wanted.isNumber()
                        && found.isNumber()
                        && isWithin(tolerances, wanted.asDouble(), found.asDouble())) {
                    ((ObjectNode) actual.path(field).path(i)).set(score, wanted);
                }
            }
        }
    }

    private static boolean isWithin(int tolerances, double expected, double actual) {
        return Math.abs(expected - actual) <= tolerances * Math.min(TOLERANCE, RELATIVE_TOLERANCE * expected);
    }

    /** Reads records, each as lane, length and value; -1 is the length of none. */
    static List<ProducerRecord<byte[], byte[]>> readInputs() throws IOException {
        List<ProducerRecord<byte[], byte[]>> inputs = new ArrayList<>();
        try (var in = new DataInputStream(new BufferedInputStream(new GZIPInputStream(Files.newInputStream(INPUTS))))) {
            int count = in.readInt();
            for (int i = 0; i < count; i++) {
                boolean backfill = in.readBoolean();
                int length = in.readInt();
                inputs.add(input(backfill, length < 0 ? null : in.readNBytes(length)));
            }
        }
        return inputs;
    }

    static ProducerRecord<byte[], byte[]> input(boolean backfill, byte[] value) {
        return new ProducerRecord<>(backfill ? BACKFILL : REQUESTS, value);
    }

    private static List<JsonNode> readOutcomes() throws IOException {
        List<JsonNode> outcomes = new ArrayList<>();
        try (var in = new GZIPInputStream(Files.newInputStream(OUTCOMES))) {
            for (String line : new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .toList()) {
                outcomes.add(JSON.readTree(line));
            }
        }
        return outcomes;
    }

    /**
     * Runs the job over all inputs.
     *
     * @param images an empty folder, for the pictures that inputs refer to
     * @return for each input its topic of output, and the answer without times and costs or the dead letter's reason
     */
    static List<JsonNode> outcomes(List<ProducerRecord<byte[], byte[]>> inputs, Path images) throws Exception {
        copy(Path.of("demo/images"), images.resolve("images"));
        copy(Path.of("src/test/resources/images"), images.resolve("test"));
        try (EmbeddedBroker broker = EmbeddedBroker.start()) {
            Map<String, Object> client = Map.of("bootstrap.servers", broker.bootstrapServers());
            try (Admin admin = Admin.create(client)) {
                admin.createTopics(Stream.concat(OUTPUTS.stream(), Stream.of(REQUESTS, BACKFILL))
                                .map(topic -> new NewTopic(topic, 1, (short) 1))
                                .toList())
                        .all()
                        .get();
            }
            publish(inputs, client);
            RerankConfig config = config(broker, images);
            try (EmbeddedFlink job = EmbeddedFlink.start(config, new QwenEngineFactory(config), "recorded");
                    var consumer =
                            new KafkaConsumer<>(client, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                List<TopicPartition> outputs = OUTPUTS.stream()
                        .map(topic -> new TopicPartition(topic, 0))
                        .toList();
                consumer.assign(outputs);
                consumer.seekToBeginning(outputs);
                Map<Integer, JsonNode> outcomes = new TreeMap<>();
                while (outcomes.size() < inputs.size()) {
                    assertThat(job.result()).isNotDone();
                    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                        int input = number(record);
                        assertThat(outcomes.put(input, outcome(record)))
                                .as("an earlier outcome of record %d", input)
                                .isNull();
                    }
                }
                assertThat(job.drain(Duration.ofSeconds(60))).isZero();
                long all = consumer.endOffsets(outputs).values().stream()
                        .mapToLong(end -> end)
                        .sum();
                assertThat(all).as("outputs, none of them a repeat").isEqualTo(inputs.size());
                return List.copyOf(outcomes.values());
            }
        }
    }

    private static RerankConfig config(EmbeddedBroker broker, Path images) {
        return RerankConfig.of(Map.ofEntries(
                Map.entry("kafka.bootstrap-servers", broker.bootstrapServers()),
                Map.entry("kafka.output-format", "json"),
                Map.entry("kafka.max-record-bytes", "100 kb"),
                Map.entry("model.checkpoint", "demo/checkpoint"),
                Map.entry("model.device", "cpu"),
                Map.entry("list.max-candidates", "20"),
                Map.entry("rules", "weak: score < 0.001 -> drop; popular: score > 0.5 and sales > 1000 -> boost 0.1"),
                Map.entry("text.normalize", "true"),
                Map.entry("text.candidate-template", "{text} | {brand}"),
                Map.entry("text.max-query-tokens", "64"),
                Map.entry("text.max-candidate-tokens", "120"),
                Map.entry("pair.max-tokens", "300"),
                Map.entry("image.roots", images.toString()),
                Map.entry("image.max-decoded-pixels", "4000000"),
                // outcomes depend on no time
                Map.entry("image.decode-timeout", "5 min"),
                Map.entry("pass.timeout", "10 min"),
                Map.entry("realtime.timeout", "0 s"),
                Map.entry("backfill.timeout", "0 s"),
                Map.entry("flink.restart-strategy.type", "none")));
    }

    private static void copy(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(from)) {
            files.forEach(file -> {
                try {
                    Files.copy(file, to.resolve(file.getFileName()));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        }
    }

    private static void publish(List<ProducerRecord<byte[], byte[]>> inputs, Map<String, Object> client) {
        try (var producer = new KafkaProducer<>(client, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int i = 0; i < inputs.size(); i++) {
                byte[] key = Integer.toString(i).getBytes(StandardCharsets.UTF_8);
                var unused = producer.send(new ProducerRecord<>(
                        inputs.get(i).topic(), key, inputs.get(i).value()));
            }
        }
    }

    /** Reads the number of the input, which was its key. */
    private static int number(ConsumerRecord<byte[], byte[]> output) {
        byte[] key = output.topic().equals(DEAD_LETTERS)
                ? output.key()
                : Objects.requireNonNull(output.headers().lastHeader("lychee.key"))
                        .value();
        return Integer.parseInt(new String(key, StandardCharsets.UTF_8));
    }

    private static JsonNode outcome(ConsumerRecord<byte[], byte[]> output) throws IOException {
        ObjectNode json = (ObjectNode) JSON.readTree(output.value());
        if (output.topic().equals(DEAD_LETTERS)) {
            json.retain("reason");
        } else {
            assertThat(new String(output.key(), StandardCharsets.UTF_8))
                    .isEqualTo(json.path("request_id").asText());
            json.remove(List.of("answered_at", "latency", "usage"));
            hideText(json, "detail");
            hideText(json, "shortened");
            json.path("results").forEach(candidate -> hideText((ObjectNode) candidate, "detail"));
            json.path("left_out").forEach(candidate -> hideText((ObjectNode) candidate, "detail"));
        }
        return json.put("topic", output.topic());
    }

    /** Leaves of a sentence that there is one. */
    private static void hideText(ObjectNode json, String field) {
        if (json.path(field).isTextual()) {
            json.put(field, "…");
        }
    }
}
