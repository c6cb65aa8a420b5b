package io.lychee.rerank.task;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.job.RerankJob;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.qwen.QwenScorer;
import io.lychee.rerank.scoring.DeviceMemoryException;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineFactory;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.scoring.Fallback;
import io.lychee.rerank.scoring.ForwardingScorer;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.PassHandle;
import io.lychee.rerank.scoring.Scorer;
import io.lychee.rerank.scoring.ScoringException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A real Prometheus with the files of {@code conf/} scrapes a running job: what it is told, what the dashboard asks,
 * and every alert, provoked and over. Only durations are made short. Needs Debian's package {@code prometheus}.
 */
@Tag("full")
@Timeout(900)
class PrometheusTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration PATIENCE = Duration.ofMinutes(3);
    /** For a rate in the dashboard, where scraping takes place every second. */
    private static final String RATE_INTERVAL = "20s";

    @TempDir
    private Path folder;

    private final EmbeddedBroker broker = EmbeddedBroker.start();
    private final int metricsPort = freePort();
    private final int prometheusPort = freePort();
    private final HttpClient http = HttpClient.newHttpClient();
    private final RerankConfig config = RerankConfig.of(Map.ofEntries(
            Map.entry("kafka.bootstrap-servers", broker.bootstrapServers()),
            Map.entry("model.checkpoint", "src/test/resources/golden/checkpoint"),
            Map.entry("model.device", "cpu"),
            Map.entry("image.roots", Path.of("demo/images").toString()),
            Map.entry("image.max-pixels", "12544"),
            Map.entry("cache.scores.max-entries", "50"), // so that there are hits and pairs to score
            Map.entry("realtime.timeout", "15 s"),
            Map.entry("realtime.capacity", "8"),
            Map.entry("job.checkpoint-interval", "1 s"),
            Map.entry("metrics.port", Integer.toString(metricsPort)),
            Map.entry("flink.restart-strategy.type", "fixed-delay"),
            Map.entry("flink.restart-strategy.fixed-delay.attempts", "10"),
            Map.entry("flink.restart-strategy.fixed-delay.delay", "1 s")));
    private final KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
            Map.of("bootstrap.servers", broker.bootstrapServers()),
            new ByteArraySerializer(),
            new ByteArraySerializer());
    private final ScheduledExecutorService traffic = new ScheduledThreadPoolExecutor(1);
    /** Lists a tick of 100 ms. */
    private volatile int load = 1;

    private long sent;
    private Process prometheus;
    private JobClient job;

    @BeforeEach
    void start() throws Exception {
        new TopicAdmin(config.kafka(), Duration.ofSeconds(60)).createMissing(TopicAdmin.topics(config.kafka()), 1);
        Files.writeString(
                folder.resolve("prometheus.yml"), conf("prometheus.yml").replace(": 10s", ": 1s"));
        Files.writeString(
                folder.resolve("alerts.yml"),
                conf("alerts.yml").replaceAll("for: \\d+m", "for: 1s").replaceAll("\\[\\d+m]", "[15s]"));
        Files.writeString(
                folder.resolve("targets.yml"),
                conf("targets.yml").replace("localhost:9249", "127.0.0.1:" + metricsPort));
        try {
            prometheus = new ProcessBuilder(
                            "prometheus",
                            "--config.file=" + folder.resolve("prometheus.yml"),
                            "--storage.tsdb.path=" + folder.resolve("data"),
                            "--web.listen-address=127.0.0.1:" + prometheusPort)
                    .redirectErrorStream(true)
                    .redirectOutput(Path.of("target/prometheus.log").toFile())
                    .start();
        } catch (IOException e) {
            throw new AssertionError("no prometheus here; apt-get install prometheus", e);
        }
        startJob();
        var unused = traffic.scheduleWithFixedDelay(this::send, 0, 100, TimeUnit.MILLISECONDS);
    }

    @AfterEach
    void stop() throws Exception {
        traffic.shutdownNow();
        Faults.hold = new CountDownLatch(0);
        prometheus.destroy();
        prometheus.waitFor();
        job.cancel().get(60, TimeUnit.SECONDS);
        producer.close();
        broker.close();
    }

    private void startJob() throws Exception {
        StreamExecutionEnvironment env = RerankJob.environment(config);
        RerankJob.build(env, config, new FaultyEngines(config));
        job = env.executeAsync("lychee-rerank");
    }

    @Test
    void metricsMoveTheDashboardShowsThemAndAlertsComeAndGo() throws Exception {
        await(
                "traffic",
                () -> !query("rate(" + RerankMetric.PASSES.prometheusName() + "[10s]) > 0")
                        .isEmpty());
        awaitAlerts(Set.of());

        load = 5;
        Faults.passMillis = 1000;
        awaitFired("LycheeLagGrowing", "LycheeLatencyHigh", "LycheePartial");
        load = 1;
        Faults.passMillis = 0;
        awaitAlerts(Set.of());

        load = 5; // so that passes have several candidates
        Faults.next.set(new DeviceMemoryException("as if there were too little memory", null));
        send(config.kafka().requestsTopic(), "no list");
        byte[] old = "{\"request_id\":\"old\",\"query\":{\"text\":\"a\"},\"candidates\":[]}"
                .getBytes(StandardCharsets.UTF_8);
        var unused = producer.send(new ProducerRecord<>(config.kafka().requestsTopic(), null, 1_000L, null, old));
        send(config.kafka().backfillTopic(), "{\"request_id\":\"not valid!\",\"query\":{},\"candidates\":[]}");
        awaitFired("LycheeDeadLetters");
        load = 1;

        Faults.fallbacks = EnumSet.allOf(Fallback.class);
        awaitFired("LycheeFallback");
        Faults.fallbacks = Set.of();

        CountDownLatch hold = new CountDownLatch(1);
        Faults.hold = hold;
        awaitFired("LycheeDeviceIdle");
        hold.countDown();
        // what has piled up is a pass of many; the engine that dies next takes its limit with it
        await("a smaller limit", () -> !query(moved(RerankMetric.PASS_TOKENS)).isEmpty());

        Faults.next.set(new ScoringException("as if the device had failed"));
        awaitFired("LycheeEngineDead", "LycheeJobRestarting");
        awaitAlerts(Set.of());

        for (RerankMetric metric : RerankMetric.values()) {
            String moved = moved(metric);
            assertThat(query(moved)).as(moved).isNotEmpty();
        }
        for (String query : MetricsTableTest.queries(MetricsTableTest.DASHBOARD)) {
            assertThat(query(query.replace("$__rate_interval", RATE_INTERVAL)).findValues("value"))
                    .as(query)
                    .isNotEmpty()
                    .anyMatch(value -> !value.get(1).asText().equals("NaN"));
        }

        job.cancel().get(60, TimeUnit.SECONDS);
        awaitFired("LycheeProcessDown", "LycheeNotRunning");
        startJob();
        awaitAlerts(Set.of());
    }

    private static String moved(RerankMetric metric) {
        String name = metric.prometheusName();
        return metric.kind == RerankMetric.Kind.COUNTER
                ? "max(max_over_time(%s[30m])) > 0".formatted(name)
                : "max(max_over_time(%s[30m]) - min_over_time(%s[30m])) > 0".formatted(name, name);
    }

    /** Each of them at some time, not all at once. */
    private void awaitFired(String... alerts) throws Exception {
        Set<String> missing = new TreeSet<>(List.of(alerts));
        await(String.join(" and ", alerts), () -> missing.removeAll(firing()) && missing.isEmpty());
        System.out.println("fired: " + String.join(", ", alerts));
    }

    private void awaitAlerts(Set<String> expected) throws Exception {
        await("the alerts " + expected, () -> firing().equals(expected));
        System.out.println("firing: " + expected);
    }

    private Set<String> firing() throws Exception {
        Set<String> firing = new TreeSet<>();
        for (JsonNode alert : get("/api/v1/alerts").path("alerts")) {
            if (alert.path("state").asText().equals("firing")) {
                firing.add(alert.path("labels").path("alertname").asText());
            }
        }
        return firing;
    }

    private JsonNode query(String query) throws Exception {
        return get("/api/v1/query?query=" + URLEncoder.encode(query, StandardCharsets.UTF_8))
                .path("result");
    }

    private JsonNode get(String path) throws Exception {
        HttpResponse<String> response;
        try {
            response = http.send(
                    HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + prometheusPort + path))
                            .build(),
                    HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            return JSON.createObjectNode(); // it is starting
        }
        assertThat(response.statusCode()).as("%s: %s", path, response.body()).isIn(200, 503);
        return JSON.readTree(response.statusCode() == 200 ? response.body() : "{}")
                .path("data");
    }

    private interface Condition {
        boolean holds() throws Exception;
    }

    /** Prometheus has nothing that could be waited on. */
    private void await(String what, Condition condition) throws Exception {
        CountDownLatch never = new CountDownLatch(1);
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.holds()) {
            assertThat(System.nanoTime())
                    .as("waiting for %s; firing are %s", what, firing())
                    .isLessThan(end);
            assertThat(never.await(300, TimeUnit.MILLISECONDS)).isFalse();
        }
    }

    private void send() {
        for (int i = 0; i < load; i++) {
            long n = sent++;
            String topic = n % 10 == 9
                    ? config.kafka().backfillTopic()
                    : config.kafka().requestsTopic();
            send(topic, """
                    {"request_id":"q%d","new":true,"query":{"text":"chair"},"candidates":[
                     {"id":"a","text":"red chair"},{"id":"b","text":"mug %d","images":["file:chair-062.jpg"]},
                     {"id":"c","images":["file:missing-%d.jpg"]},{"id":"d"},{"id":"e","text":"lamp %d"}]}
                    """.formatted(n, n, n, n));
        }
    }

    private void send(String topic, String record) {
        var unused = producer.send(new ProducerRecord<>(topic, record.getBytes(StandardCharsets.UTF_8)));
    }

    private static String conf(String file) throws IOException {
        return Files.readString(Path.of("conf/prometheus").resolve(file));
    }

    private static int freePort() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** What the devices of this JVM suffer from. */
    private static final class Faults {
        static volatile int passMillis;
        static volatile CountDownLatch hold = new CountDownLatch(0);
        static volatile Set<Fallback> fallbacks = Set.of();
        static final AtomicReference<RuntimeException> next = new AtomicReference<>();
    }

    private record FaultyScorer(Scorer scorer) implements ForwardingScorer {

        @Override
        public PassHandle start(Pass pass) {
            try {
                Faults.hold.await();
                TimeUnit.MILLISECONDS.sleep(Faults.passMillis);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            RuntimeException failure = Faults.next.get();
            // a pass of one candidate that doesn't fit shrinks nothing
            if (failure != null && (pass.candidates() > 1 || failure instanceof ScoringException)) {
                Faults.next.set(null);
                throw failure;
            }
            return scorer.start(pass);
        }

        @Override
        public Set<Fallback> fallbacks() {
            return Faults.fallbacks;
        }
    }

    private record FaultyEngines(RerankConfig config) implements EngineFactory {

        @Override
        public EngineRegistry.Lease lease(List<Integer> gpus) {
            return EngineRegistry.lease(
                    new EngineRegistry.Key("faulty", ""), List.of("cpu"), this::open, Duration.ZERO);
        }

        private Engine open(String device) {
            QwenEngineFactory engines = new QwenEngineFactory(config);
            return engines.open(encoder -> new FaultyScorer(QwenScorer.open(
                    config.model(), device, engines.bounds(), encoder.yesId(), encoder.noId(), progress -> {})));
        }
    }
}
