package io.lychee.rerank.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** HTTP to topics and back: what holds for every form of request, and what the console needs. */
@Timeout(240)
class GatewayTest extends GatewayFixture {

    @Test
    void bodiesAreBounded() {
        String large = "{\"query\":\"" + "a".repeat(MAX_BODY) + "\"}";
        refused("/v2/rerank", large, 413, "gateway.max-body-bytes");
        // without a length in front
        HttpRequest chunked = http.to("/v2/rerank")
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofInputStream(() ->
                        new java.io.ByteArrayInputStream(large.getBytes(java.nio.charset.StandardCharsets.UTF_8))))
                .build();
        assertThat(http.send(chunked).join().statusCode()).isEqualTo(413);
        HttpRequest endless = http.to("/v1/rerank")
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofByteArrays(() ->
                        IntStream.range(0, 200).mapToObj(i -> new byte[1 << 20]).iterator()))
                .build();
        assertThat(http.send(endless).join().statusCode()).isEqualTo(413);
        assertThat(gateway.admission().freePlaces())
                .isEqualTo(gateway.config().gateway().maxRequests());
    }

    @Test
    void onlyWhatIsServed() {
        assertThat(http.get("/nowhere").status()).isEqualTo(404);
        assertThat(http.get("/v2/rerank").status()).isEqualTo(405);
        assertThat(http.get("/v2/rerank").header("Allow")).isEqualTo("POST");
        assertThat(post("/health/live", "{}").status()).isEqualTo(405);
        for (String type : List.of("text/plain", "application/x-www-form-urlencoded", "multipart/form-data")) {
            HttpRequest form = http.to("/api/rerank")
                    .header("Content-Type", type)
                    .POST(HttpRequest.BodyPublishers.ofString("{}"))
                    .build();
            assertThat(http.send(form).join().statusCode()).isEqualTo(415);
        }
        HttpRequest packed = http.to("/api/rerank")
                .header("Content-Type", "application/json")
                .header("Content-Encoding", "gzip")
                .POST(HttpRequest.BodyPublishers.ofString("{}"))
                .build();
        assertThat(http.send(packed).join().statusCode()).isEqualTo(415);
        HttpRequest crossSite = http.to("/api/rerank")
                .header("Origin", "https://elsewhere.example")
                .method("OPTIONS", HttpRequest.BodyPublishers.noBody())
                .build();
        HttpResponse<String> answer = http.send(crossSite).join();
        assertThat(answer.statusCode()).isEqualTo(403);
        assertThat(answer.headers().map()).doesNotContainKey("access-control-allow-origin");
    }

    @Test
    void theConsoleComesWithAPolicyAndNoPathLeadsElsewhere() throws Exception {
        for (String path : List.of("/", "/style.css", "/app.js", "/index.html")) {
            Http.Told told = http.get(path);
            assertThat(told.status()).as(path).isEqualTo(200);
            assertThat(told.header("Content-Security-Policy")).contains("default-src 'self'");
            assertThat(told.header("X-Content-Type-Options")).isEqualTo("nosniff");
            assertThat(told.header("Server-Timing")).isNotNull();
        }
        for (String path : List.of(
                "/../pom.xml",
                "/..%2f..%2fpom.xml",
                "/console/index.html",
                "/%2e%2e/openapi.json",
                "//etc/passwd",
                "/api/pictures/../../etc/passwd",
                "/api/live/../../openapi.json")) {
            assertThat(Raw.status(server.port(), "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"))
                    .as(path)
                    .isEqualTo(404);
        }
        // a page of another name that points to this machine
        assertThat(Raw.status(server.port(), "GET /api/info HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n"))
                .isEqualTo(421);
        assertThat(Raw.status(server.port(), "nonsense\r\n\r\n")).isEqualTo(400);
        assertThat(Raw.status(server.port(), "GET /" + "a".repeat(10_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n"))
                .isEqualTo(414);
        assertThat(Raw.status(
                        server.port(), "GET / HTTP/1.1\r\nHost: localhost\r\nA: " + "a".repeat(20_000) + "\r\n\r\n"))
                .isEqualTo(431);
    }

    @Test
    void healthAndWhatTheConsoleAsksFor() {
        assertThat(http.get("/health/live").status()).isEqualTo(200);
        Http.Told ready = http.get("/health/ready");
        assertThat(ready.status()).isEqualTo(200);
        assertThat(ready.json().get("phase").asText()).isEqualTo("ready");
        assertThat(ready.json().get("busy_ms").asLong()).isEqualTo(1234);
        openApi.describes("/health/ready", "get", ready);
        Http.Told info = http.get("/api/info");
        assertThat(info.json().get("max_candidates").asInt()).isEqualTo(40);
        assertThat(info.json().get("demo_checkpoint").asBoolean()).isFalse();
        openApi.describes("/api/info", "get", info);
        assertThat(http.get("/api/scenes").json()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "file%3Argb.png, 200, image/png",
        "file%3A422.jpg, 200, image/jpeg",
        "file%3Anone.png, 404, 'the image file:none.png does not exist'",
        "file%3A..%2Fgolden%2Fcheckpoint%2Fconfig.json, 403, lies outside the folders of image.roots",
        "file%3A%2Fetc%2Fpasswd, 403, lies outside the folders of image.roots",
        "https%3A%2F%2Felsewhere.example%2Fa.png, 404, the picture is elsewhere",
        "file%3Amake_edge.py, 422, 'the picture is no JPEG, PNG, WebP or GIF'",
        "data%3Aimage%2Fsvg+xml%2C%3Csvg%3E, 422, 'the picture is no JPEG, PNG, WebP or GIF'",
    })
    void theConsoleShowsThePicturesThatTheJobReads(String reference, int status, String says) {
        Http.Told told = http.get("/api/pictures/" + reference);

        assertThat(told.status()).as(told.body()).isEqualTo(status);
        assertThat(status == 200 ? told.header("Content-Type") : told.body()).contains(says);
        openApi.describes("/api/pictures/{reference}", "get", told);
    }

    @Test
    void everyPathIsDescribedAndNothingElse() {
        Set<String> served = new HashSet<>(server.router().paths());
        served.removeIf(path -> path.matches("/([a-z]+\\.(js|css|html))?|/openapi.json"));
        served.removeAll(Set.of("/api/live/", "/api/live/pictures/", "/api/pictures/"));
        served.addAll(Set.of("/api/live/{request_id}", "/api/live/pictures/{request_id}", "/api/pictures/{reference}"));
        assertThat(openApi.paths()).containsExactlyInAnyOrderElementsOf(served);
    }

    @Test
    void twentyClientsAtOnceGetTheirOwnAnswers() {
        List<CompletableFuture<Void>> clients = new ArrayList<>();
        for (int client = 0; client < 20; client++) {
            int n = client;
            clients.add(CompletableFuture.runAsync(() -> {
                for (int round = 0; round < 5; round++) {
                    String mine = n + " of round " + round;
                    int documents = 1 + (n + round) % 4;
                    String list =
                            String.join(",", java.util.Collections.nCopies(documents, "\"document " + mine + "\""));
                    HttpRequest request = http.to("/v1/rerank")
                            .header("Content-Type", "application/json")
                            .header("X-Request-Id", "client-" + n + "-" + round)
                            .POST(HttpRequest.BodyPublishers.ofString(
                                    "{\"query\":\"" + mine + "\",\"documents\":[" + list + "]}"))
                            .build();
                    Http.Told told = Http.told(http.send(request).join());
                    assertThat(told.status()).as(told.body()).isEqualTo(200);
                    assertThat(told.json().get("id").asText()).isEqualTo("client-" + n + "-" + round);
                    assertThat(told.header("X-Request-Id")).isEqualTo("client-" + n + "-" + round);
                    assertThat(told.json().get("results"))
                            .hasSize(documents)
                            .allSatisfy(result -> assertThat(
                                            result.at("/document/text").asText())
                                    .isEqualTo("document " + mine));
                }
            }));
        }
        clients.forEach(CompletableFuture::join);
        assertThat(gateway.admission().freePlaces())
                .isEqualTo(gateway.config().gateway().maxRequests());
    }

    @Test
    void theLivePageSeesListsPassAndOpensThem() throws Exception {
        HttpResponse<java.io.InputStream> live = java.net.http.HttpClient.newHttpClient()
                .send(http.to("/api/live").build(), HttpResponse.BodyHandlers.ofInputStream());
        assertThat(live.headers().firstValue("Content-Type")).contains("text/event-stream");
        try (var events = new java.io.BufferedReader(
                new java.io.InputStreamReader(live.body(), java.nio.charset.StandardCharsets.UTF_8))) {
            assertThat(events.readLine()).isEqualTo("event: hello");
            post("/api/rerank", "{\"query\":\"live or not\",\"documents\":[\"red\"]}");

            JsonNode asked = event(events, "asked", "live or not");
            String id = asked.get("request_id").asText();
            assertThat(asked.get("candidates").asInt()).isEqualTo(1);
            assertThat(asked.get("lane").asText()).isEqualTo("realtime");
            JsonNode answered = event(events, "answered", id);
            assertThat(answered.get("status").asText()).isEqualTo("COMPLETE");
            assertThat(answered.at("/latency/total").asLong()).isPositive();

            Http.Told opened = http.get("/api/live/" + id);
            openApi.describes("/api/live/{request_id}", "get", opened);
            assertThat(opened.json().at("/list/query/text").asText()).isEqualTo("live or not");
            assertThat(opened.json().at("/answer/results")).hasSize(1);

            assertThat(http.get("/api/live/pictures/" + id).status())
                    .as("its query is a text")
                    .isEqualTo(404);
            post("/v1/rerank", "{\"query\":{\"image\":\"" + PICTURE + "\"},\"documents\":[\"red\"]}");
            String pictured =
                    event(events, "asked", "\"pictures\":1").get("request_id").asText();
            Http.Told picture = http.get("/api/live/pictures/" + pictured);
            assertThat(picture.header("Content-Type")).isEqualTo("image/png");
            openApi.describes("/api/live/pictures/{request_id}", "get", picture);

            publish(gateway.config().kafka().requestsTopic(), null, "no list");
            JsonNode dead = event(events, "dead", "UNDECODABLE");
            assertThat(dead.get("request_id").asText())
                    .as("its place, for want of a key")
                    .matches("\\d+@\\d+");
            String name = "shop:42/a+b ü";
            publish(gateway.config().kafka().resultsTopic(), name, "{\"detail\":\"" + "large ".repeat(50_000) + "\"}");
            assertThat(fields(event(events, "answered", name)))
                    .as("nothing is made up of what wasn't looked at")
                    .containsExactlyInAnyOrder("lane", "timestamp", "request_id");
            assertThat(http.get("/api/live/shop%3A42%2Fa+b%20%C3%BC").status()).isEqualTo(200);
        }
        assertThat(http.get("/api/live/unknown").status()).isEqualTo(404);
        assertThat(Raw.status(server.port(), "GET /api/live/shop%3 HTTP/1.1\r\nHost: localhost\r\n\r\n"))
                .isEqualTo(400);
    }

    private static void publish(String topic, @Nullable String key, String value) throws Exception {
        Map<String, Object> properties = Map.of(
                ProducerConfig.BOOTSTRAP_SERVERS_CONFIG,
                gateway.config().kafka().bootstrapServers());
        try (var producer = new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
            producer.send(new ProducerRecord<>(topic, key, value)).get();
        }
    }

    /** The next one of this name that says this; the test's timeout ends a wait in vain. */
    private static JsonNode event(java.io.BufferedReader events, String name, String says) throws Exception {
        boolean named = false;
        for (String line = events.readLine(); line != null; line = events.readLine()) {
            if (line.startsWith("data: ") && named && line.contains(says)) {
                return Http.parse(line.substring(6));
            }
            named = line.equals("event: " + name) || (named && !line.isEmpty());
        }
        throw new AssertionError("the stream ended");
    }
}
