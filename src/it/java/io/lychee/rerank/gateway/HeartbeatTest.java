package io.lychee.rerank.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.job.RerankJob;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.kafka.TopicReader;
import io.lychee.rerank.records.TopicLines;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.common.IsolationLevel;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A gateway is ready while a job answers, and nobody but it sees how it knows. */
@Timeout(180)
class HeartbeatTest {

    private final EmbeddedBroker broker = EmbeddedBroker.start();
    private final int metricsPort = freePort();
    private final RerankConfig config = RerankConfig.of(Map.of(
            "kafka.bootstrap-servers", broker.bootstrapServers(),
            "model.checkpoint", "src/test/resources/golden/checkpoint",
            "model.device", "cpu",
            "metrics.port", Integer.toString(metricsPort),
            "gateway.heartbeat-interval", "500 ms"));
    private final Readiness readiness = new Readiness();
    private Gateway gateway;
    private GatewayServer server;

    @AfterEach
    void stop() {
        server.close();
        gateway.close();
        broker.close();
    }

    @Test
    void readyWhileAJobAnswers() throws Exception {
        new TopicAdmin(config.kafka(), Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(config.kafka()), 1);
        gateway = new Gateway(config);
        server = new GatewayServer(gateway, readiness, new GatewayServer.Address("127.0.0.1", 0, false), null);
        Http http = new Http(server.port());
        readiness.ready(null, null);
        Http.Told none = http.get("/health/ready");
        assertThat(none.status()).isEqualTo(503);
        assertThat(none.json().get("phase").asText()).isEqualTo("no job answers");
        assertThat(none.json().get("detail").asText()).contains("no job has answered yet");
        assertThat(none.json().get("model").isNull()).isTrue();
        OpenApi.read().describes("/health/ready", "get", none);

        StreamExecutionEnvironment env = RerankJob.environment(config);
        RerankJob.build(env, config, new QwenEngineFactory(config));
        JobClient job = env.executeAsync("heartbeats");
        assertThat(awaitReady(http, 200).get("model").asText()).isEqualTo("checkpoint");
        assertThat(http.get("/api/info").json().get("model").asText()).isEqualTo("checkpoint");
        List<String> seen = live(http);
        assertThat(seen).isNotEmpty().noneMatch(line -> line.contains("lychee.heartbeat."));
        assertThat(listsCounted()).as("the list that was asked for, no other").isEqualTo(1);
        List<String> consumed = new ArrayList<>();
        try (TopicReader answers = new TopicReader(
                config.kafka(),
                Set.of(config.kafka().resultsTopic()),
                TopicReader.From.BEGINNING,
                IsolationLevel.READ_COMMITTED)) {
            TopicLines.read(answers, 2, Duration.ofSeconds(1), consumed::add);
        }
        assertThat(consumed).hasSize(1).noneMatch(line -> line.contains("lychee.heartbeat."));

        job.cancel().get(60, TimeUnit.SECONDS);
        assertThat(awaitReady(http, 503).get("detail").asText())
                .contains("no job answered for PT1S", "gateway.heartbeat-interval");
    }

    /** The test's timeout ends a wait in vain. */
    private static JsonNode awaitReady(Http http, int status) {
        Http.Told told = http.get("/health/ready");
        while (told.status() != status) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
            told = http.get("/health/ready");
        }
        return told.json();
    }

    /** Collects what listeners are told of heartbeats, and of one list of somebody's after them. */
    private List<String> live(Http http) throws Exception {
        HttpResponse<InputStream> live = HttpClient.newHttpClient()
                .send(http.to("/api/live").build(), HttpResponse.BodyHandlers.ofInputStream());
        List<String> lines = new ArrayList<>();
        try (var events = new BufferedReader(new InputStreamReader(live.body(), StandardCharsets.UTF_8));
                TopicReader requests = new TopicReader(
                        config.kafka(),
                        Set.of(config.kafka().requestsTopic()),
                        TopicReader.From.END,
                        IsolationLevel.READ_COMMITTED)) {
            assertThat(events.readLine()).isEqualTo("event: hello");
            assertThat(TopicLines.read(requests, 1, Duration.ofSeconds(2), lines::add))
                    .isZero();
            assertThat(http.post("/v1/rerank", "{\"query\":\"red\",\"documents\":[\"a\"]}")
                            .status())
                    .isEqualTo(200);
            String line = "";
            while (!line.startsWith("event: answered")) {
                line = events.readLine();
                lines.add(line);
            }
            lines.add(events.readLine());
        }
        return lines;
    }

    private double listsCounted() throws Exception {
        String metrics = HttpClient.newHttpClient()
                .send(new Http(metricsPort).to("/metrics").build(), HttpResponse.BodyHandlers.ofString())
                .body();
        return metrics.lines()
                .filter(line -> line.matches("flink_\\w+_rerank_lane_status_lists\\{.*"))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' '))))
                .sum();
    }

    private static int freePort() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
