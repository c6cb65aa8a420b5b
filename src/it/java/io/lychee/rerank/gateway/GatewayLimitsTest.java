package io.lychee.rerank.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.kafka.TopicAdmin;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.config.ConfigResource;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A gateway in front of topics that no job reads, so that requests wait as long as it takes. */
@Timeout(120)
class GatewayLimitsTest {

    private static final String LIST = "{\"query\":\"red\",\"documents\":[\"red\"]}";

    private final EmbeddedBroker broker = EmbeddedBroker.start();
    private final Readiness readiness = new Readiness();
    private Gateway gateway;
    private GatewayServer server;
    private Http http;

    @BeforeEach
    void topics() {
        RerankConfig config = config(Map.of());
        new TopicAdmin(config.kafka(), Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(config.kafka()), 1);
    }

    @AfterEach
    void stop() {
        server.close();
        gateway.close();
        broker.close();
    }

    @Test
    void withoutAJobItSaysSoInTime() {
        start(Map.of("gateway.timeout", "500 ms"));

        Http.Told told = http.post("/v2/rerank", LIST);

        assertThat(told.status()).isEqualTo(504);
        assertThat(told.json().get("message").asText()).contains("500 ms", "gateway.timeout", "job");
        assertThat(gateway.admission().freePlaces()).isEqualTo(2);
    }

    @Test
    void moreThanItTakesAreSentAwayAndAClientThatHangsUpFreesItsPlace() throws Exception {
        start(Map.of());
        Socket first = waiting();
        Socket second = waiting();
        awaitFreePlaces(0);

        Http.Told third = http.post("/v1/rerank", LIST);

        assertThat(third.status()).isEqualTo(429);
        assertThat(third.header("Retry-After")).isEqualTo("1");
        assertThat(third.json().get("detail").asText()).contains("gateway.max-requests");
        assertThat(http.get("/health/live").status())
                .as("what costs no place is still served")
                .isEqualTo(200);

        first.close();
        awaitFreePlaces(1);
        second.close();
        awaitFreePlaces(2);
    }

    @Test
    void largeBodiesLeaveHeapToSmallOnes() throws Exception {
        start(Map.of("gateway.max-memory", "8 mb", "gateway.max-requests", "20", "gateway.timeout", "500 ms"));
        String head = "POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
        String large = head + "Content-Length: " + (1 << 20) + "\r\n\r\n";
        Socket first = Raw.open(server.port(), large);
        awaitFreePlaces(19);
        try (Socket second = Raw.open(server.port(), large)) {
            assertThat(Raw.status(second))
                    .as("of 7 MB that large ones may take, 4 are taken")
                    .isEqualTo(429);
        }
        try (Socket never = Raw.open(server.port(), head + "Content-Length: " + (2 << 20) + "\r\n\r\n")) {
            assertThat(Raw.status(never)).isEqualTo(413);
        }
        Http.Told chunked = Http.told(http.send(http.to("/v1/rerank")
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofByteArrays(List.of(new byte[1 << 20])))
                        .build())
                .join());
        assertThat(chunked.status()).isEqualTo(429);
        assertThat(chunked.header("Retry-After")).isEqualTo("1");
        assertThat(chunked.body()).contains("gateway.max-memory");
        assertThat(http.post("/v1/rerank", LIST).status())
                .as("taken; nobody answers")
                .isEqualTo(504);

        first.close();
        awaitFreePlaces(20);
        while (gateway.admission().reservedBytes() != 0) {
            LockSupport.parkNanos(1_000_000);
        }
    }

    @Test
    void aSlowClientIsToldAndItsPlaceIsFree() throws Exception {
        start(Map.of("gateway.read-timeout", "300 ms"));
        String head = "POST /api/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

        try (Socket body = Raw.open(server.port(), head + "Content-Length: 100\r\n\r\n{")) {
            assertThat(Raw.status(body)).isEqualTo(408);
        }
        try (Socket inTheHead = Raw.open(server.port(), head)) {
            assertThat(Raw.status(inTheHead)).isEqualTo(-1);
        }
        awaitFreePlaces(2);
    }

    @Test
    void beforeTheModelIsLoadedItSaysSo() {
        start(Map.of());
        readiness.loading("demo (0.01 GB)");

        Http.Told told = http.post("/v2/rerank", LIST);
        Http.Told ready = http.get("/health/ready");

        assertThat(told.status()).isEqualTo(503);
        assertThat(told.header("Retry-After")).isNotNull();
        assertThat(told.json().get("message").asText()).contains("loading demo (0.01 GB)");
        assertThat(ready.status()).isEqualTo(503);
        assertThat(ready.json().get("phase").asText()).isEqualTo("loading");
    }

    @Test
    void aBrokerThatGoesAwayIsSaid() {
        start(Map.of());
        HttpRequest request = http.to("/v2/rerank")
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(LIST))
                .build();
        CompletableFuture<HttpResponse<String>> inFlight = http.send(request);
        awaitFreePlaces(1);

        broker.close();

        assertThat(inFlight.join().statusCode()).isEqualTo(503);
        assertThat(http.get("/health/ready").status()).isEqualTo(503);
        assertThat(http.post("/v2/rerank", LIST).status()).isEqualTo(503);
    }

    @Test
    void aListThatIsTooLargeForARecord() {
        start(Map.of("kafka.max-record-bytes", "64 kb"));

        Http.Told told = http.post("/api/rerank", LIST.replace("red", "x".repeat(40_000)));

        assertThat(told.status()).isEqualTo(413);
        assertThat(told.body()).contains("kafka.max-record-bytes");
    }

    @Test
    void aBodyMayBeLargerThanTheRecordItBecomes() {
        start(Map.of("kafka.max-record-bytes", "64 kb", "gateway.timeout", "500 ms"));
        String list =
                "{\"request_id\":\"a\",\"query\":{\"text\":\"b\"},%s\"candidates\":[{\"id\":\"1\",\"text\":\"c\"}]}";

        Http.Told told = http.post("/api/lists", list.formatted(" ".repeat(70_000)));

        // taken, and nobody answers
        assertThat(told.status()).as(told.body()).isEqualTo(504);
    }

    @Test
    void aListThatIsTooLargeForTheTopic() throws Exception {
        start(Map.of());
        String topic = gateway.config().kafka().requestsTopic();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker.bootstrapServers()))) {
            var least = new AlterConfigOp(new ConfigEntry("max.message.bytes", "500"), AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, topic), List.of(least)))
                    .all()
                    .get();
        }
        String noise =
                new Random(1).ints(4000, 'a', 'z').mapToObj(Character::toString).collect(Collectors.joining());

        Http.Told told = http.post("/api/rerank", LIST.replace("red", noise));

        assertThat(told.status()).as(told.body()).isEqualTo(413);
        assertThat(told.body()).contains("max.message.bytes", topic);
    }

    private void start(Map<String, String> settings) {
        gateway = new Gateway(config(settings));
        server = new GatewayServer(gateway, readiness, new GatewayServer.Address("127.0.0.1", 0, false), null);
        readiness.ready(null, null);
        http = new Http(server.port());
    }

    private RerankConfig config(Map<String, String> settings) {
        Map<String, String> all = new java.util.HashMap<>(settings);
        all.put("kafka.bootstrap-servers", broker.bootstrapServers());
        all.put("model.checkpoint", "none");
        all.putIfAbsent("gateway.max-requests", "2");
        return RerankConfig.of(all);
    }

    private Socket waiting() throws Exception {
        return Raw.open(
                server.port(),
                "POST /v2/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
                        + LIST.length() + "\r\n\r\n" + LIST);
    }

    /** The test's timeout ends a wait in vain. */
    private void awaitFreePlaces(int places) {
        while (gateway.admission().freePlaces() != places) {
            LockSupport.parkNanos(1_000_000);
        }
    }
}
