package io.lychee.rerank.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.job.RerankJob;
import io.lychee.rerank.kafka.TopicAdmin;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** A gateway in front of a real broker and a real job with the tiny checkpoint, and ways to ask it. */
abstract class GatewayFixture {

    static final String PICTURE = base64("rgb.png");
    static final int MAX_BODY = 512 * 1024;

    static EmbeddedBroker broker;
    static JobClient job;
    static Gateway gateway;
    static GatewayServer server;
    static Http http;
    static OpenApi openApi;

    @BeforeAll
    static void start() throws Exception {
        broker = EmbeddedBroker.start();
        Map<String, String> settings = new HashMap<>(Map.of(
                "kafka.bootstrap-servers", broker.bootstrapServers(),
                "model.checkpoint",
                        Path.of("src/test/resources/golden/checkpoint").toString(),
                "model.device", "cpu",
                "image.roots", "src/test/resources/images",
                "flink.restart-strategy.type", "none",
                "rules", "favourite: sales > 5 -> boost 2",
                // less than the gateway takes, so that the job has something to refuse
                "list.max-candidates", "30"));
        RerankConfig config = RerankConfig.of(settings);
        new TopicAdmin(config.kafka(), Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(config.kafka()), 2);
        StreamExecutionEnvironment env = RerankJob.environment(config);
        RerankJob.build(env, config, new QwenEngineFactory(config));
        job = env.executeAsync("test");
        settings.put("list.max-candidates", "40");
        settings.put("gateway.timeout", "2 min");
        settings.put("gateway.max-body-bytes", MAX_BODY + " bytes");
        gateway = new Gateway(RerankConfig.of(settings));
        Readiness readiness = new Readiness();
        server = new GatewayServer(gateway, readiness, new GatewayServer.Address("127.0.0.1", 0, false), null);
        readiness.ready("checkpoint", () -> 1234);
        http = new Http(server.port());
        while (http.get("/health/ready").status() != 200) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(50));
        }
        openApi = OpenApi.read();
    }

    @AfterAll
    static void stop() throws Exception {
        server.close();
        gateway.close();
        job.cancel().get(60, TimeUnit.SECONDS);
        broker.close();
    }

    static Http.Told post(String path, String json) {
        Http.Told told = http.post(path, json);
        if (openApi.paths().contains(path)) {
            openApi.describes(path, "post", told);
            if (told.status() == 200) {
                openApi.describesRequest(path, json);
            }
        }
        return told;
    }

    static void refused(String path, String json, int status, String... told) {
        Http.Told answer = post(path, json);
        assertThat(answer.status()).as(answer.body()).isEqualTo(status);
        String message = switch (path) {
            case "/v2/rerank" -> answer.json().get("message").asText();
            case "/v1/rerank" -> answer.json().get("detail").asText();
            default -> {
                assertThat(answer.json().at("/error/status").asInt()).isEqualTo(status);
                yield answer.json().at("/error/message").asText();
            }
        };
        assertThat(message).contains(told);
        assertThat(answer.header("Server-Timing")).contains("gateway;dur=");
    }

    static List<String> fields(JsonNode node) {
        List<String> names = new ArrayList<>();
        node.fieldNames().forEachRemaining(names::add);
        return names;
    }

    private static String base64(String image) {
        try {
            return Base64.getEncoder().encodeToString(Files.readAllBytes(Path.of("src/test/resources/images", image)));
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
