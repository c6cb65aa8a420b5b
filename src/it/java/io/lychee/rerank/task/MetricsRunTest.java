package io.lychee.rerank.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.job.RerankJob;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.scoring.Lists;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.RerankedListCodec;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.ToLongFunction;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a running job tells Prometheus is what its answers say. */
@Timeout(300)
class MetricsRunTest {

    private static final int LISTS = 500;
    private static final int DEAD_LETTERS = 7;

    private final EmbeddedBroker broker = EmbeddedBroker.start();
    private final RerankConfig config = RerankConfig.of(Map.of(
            "kafka.bootstrap-servers", broker.bootstrapServers(),
            "model.checkpoint", "src/test/resources/golden/checkpoint",
            "model.device", "cpu",
            // a network of its own: one that another test loaded may keep scores
            "prompt.instruction", "metrics",
            "cache.scores.max-entries", "0",
            "realtime.timeout", "5 min",
            "metrics.port", Integer.toString(freePort()),
            "flink.restart-strategy.type", "none"));
    /** 0, and the seconds since 1970. */
    private static final int WRONG_TIMESTAMPS = 2;

    private JobClient job;

    @AfterEach
    void stop() throws Exception {
        job.cancel().get(60, TimeUnit.SECONDS);
        broker.close();
    }

    @Test
    void countersAndPercentilesAreThoseOfTheAnswers() throws Exception {
        new TopicAdmin(config.kafka(), Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(config.kafka()), 1);
        StreamExecutionEnvironment env = RerankJob.environment(config);
        RerankJob.build(env, config, new QwenEngineFactory(config));
        job = env.executeAsync("metrics");
        send();
        List<RerankedList> answers = answers();

        Map<String, Double> metrics = scrape();
        for (RerankMetric metric : RerankMetric.values()) {
            assertThat(metrics.keySet().stream().filter(key -> key.startsWith(metric.prometheusName() + "{")))
                    .as(metric.prometheusName())
                    .isNotEmpty()
                    .allSatisfy(key ->
                            metric.labels.forEach(label -> assertThat(key).containsPattern("[{,]" + label + "=")));
        }
        assertThat(sum(metrics, RerankMetric.LISTS, "status=\"COMPLETE\"", "lane=\"realtime\""))
                .isEqualTo(LISTS);
        assertThat(sum(metrics, RerankMetric.LISTS, "lane=\"backfill\"")).isZero();
        assertThat(sum(metrics, RerankMetric.CANDIDATES)).isEqualTo((double)
                answers.stream().mapToLong(a -> a.results().size()).sum());
        assertThat(sum(metrics, RerankMetric.DEAD_LETTERS, "reason=\"UNDECODABLE\""))
                .isEqualTo(DEAD_LETTERS);
        assertThat(sum(metrics, RerankMetric.IMPLAUSIBLE_TIMESTAMPS, "lane=\"realtime\""))
                .isEqualTo(WRONG_TIMESTAMPS);
        assertThat(sum(metrics, RerankMetric.LATENCY_STAGE)).isEqualTo((double)
                answers.stream().mapToLong(a -> a.latency().total()).sum());
        assertPercentiles(
                metrics, RerankMetric.LATENCY_TOTAL, answers, a -> a.latency().total());
        assertPercentiles(
                metrics, RerankMetric.LATENCY_SCORE, answers, a -> a.latency().score());
    }

    private static void assertPercentiles(
            Map<String, Double> metrics,
            RerankMetric buckets,
            List<RerankedList> answers,
            ToLongFunction<RerankedList> latency) {
        long[] sorted = answers.stream().mapToLong(latency).sorted().toArray();
        for (double percentile : new double[] {0.5, 0.9, 0.95, 0.99}) {
            long rank = (long) Math.ceil(percentile * sorted.length);
            double exact = sorted[(int) rank - 1];
            double counted = middleOfBucket(metrics, buckets, rank);
            System.out.printf(
                    Locale.ROOT,
                    "%s p%.0f: %.0f µs by the answers, %.0f by the buckets%n",
                    buckets,
                    100 * percentile,
                    exact,
                    counted);
            assertThat(counted).as("%s p%.0f", buckets, 100 * percentile).isCloseTo(exact, within(0.1 * exact));
        }
    }

    /** Of the bucket that the list of this rank fell into. */
    private static double middleOfBucket(Map<String, Double> metrics, RerankMetric buckets, long rank) {
        double below = LatencyBuckets.BOUNDS.get(0) / 1.2;
        for (long bound : LatencyBuckets.BOUNDS) {
            if (sum(metrics, buckets, "le=\"" + bound + "\"", "lane=\"realtime\"") >= rank) {
                return Math.sqrt(below * bound);
            }
            below = bound;
        }
        throw new AssertionError("no bucket holds rank " + rank);
    }

    private static double sum(Map<String, Double> metrics, RerankMetric metric, String... labels) {
        return metrics.entrySet().stream()
                .filter(entry -> entry.getKey().startsWith(metric.prometheusName() + "{"))
                .filter(entry -> List.of(labels).stream()
                        .allMatch(label -> entry.getKey().contains(label)))
                .mapToDouble(Map.Entry::getValue)
                .sum();
    }

    private Map<String, Double> scrape() throws Exception {
        HttpResponse<String> response = HttpClient.newHttpClient()
                .send(
                        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + config.metricsPort() + "/metrics"))
                                .build(),
                        HttpResponse.BodyHandlers.ofString());
        Map<String, Double> metrics = new HashMap<>();
        response.body()
                .lines()
                .filter(line -> !line.startsWith("#"))
                .forEach(line -> metrics.put(
                        line.substring(0, line.lastIndexOf(' ')),
                        Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1))));
        return metrics;
    }

    private void send() {
        try (var producer = new KafkaProducer<>(
                Map.of("bootstrap.servers", broker.bootstrapServers()),
                new ByteArraySerializer(),
                new ByteArraySerializer())) {
            for (int i = 0; i < LISTS; i++) {
                byte[] list = CandidateListCodec.encode(Lists.of("q" + i, 1 + i % 3), OutputFormat.AVRO);
                Long timestamp = i < WRONG_TIMESTAMPS ? Long.valueOf(i * System.currentTimeMillis() / 1000) : null;
                var unused = producer.send(
                        new ProducerRecord<>(config.kafka().requestsTopic(), null, timestamp, null, list));
            }
            for (int i = 0; i < DEAD_LETTERS; i++) {
                byte[] broken = "no list".getBytes(StandardCharsets.UTF_8);
                var unused = producer.send(new ProducerRecord<>(config.kafka().requestsTopic(), broken));
            }
        }
    }

    /** All of them, when the dead letters are there too. */
    private List<RerankedList> answers() throws Exception {
        List<RerankedList> answers = new ArrayList<>();
        int dead = 0;
        try (var consumer = new KafkaConsumer<>(
                Map.<String, Object>of("bootstrap.servers", broker.bootstrapServers()),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer())) {
            TopicPartition results = new TopicPartition(config.kafka().resultsTopic(), 0);
            List<TopicPartition> partitions =
                    List.of(results, new TopicPartition(config.kafka().deadLettersTopic(), 0));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            while (answers.size() < LISTS || dead < DEAD_LETTERS) {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    if (record.topic().equals(results.topic())) {
                        answers.add(RerankedListCodec.decode(record.value()));
                    } else {
                        dead++;
                    }
                }
            }
        }
        return answers;
    }

    private static int freePort() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
