package io.lychee.rerank.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.job.QwenEngines;
import io.lychee.rerank.job.RerankJob;
import io.lychee.rerank.kafka.BrokerCheck;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** HTTP to topics and back, with a real broker and a real job: every form of request, and what each of them refuses. */
@Timeout(240)
class GatewayTest {

    private static final String PICTURE = base64("rgb.png");
    private static final int MAX_BODY = 512 * 1024;

    private static EmbeddedBroker broker;
    private static JobClient job;
    private static Gateway gateway;
    private static GatewayServer server;
    private static Http http;
    private static OpenApi openApi;

    @BeforeAll
    static void start() throws Exception {
        broker = EmbeddedBroker.start();
        Map<String, String> settings = new HashMap<>(Map.of(
                "kafka.bootstrap-servers", broker.bootstrapServers(),
                "model.checkpoint",
                        Path.of("src/test/resources/golden/checkpoint").toString(),
                "model.device", "cpu",
                "flink.restart-strategy.type", "none",
                "rules", "favourite: sales > 5 -> boost 2",
                // less than the gateway takes, so that the job has something to refuse
                "list.max-candidates", "30"));
        RerankConfig config = RerankConfig.of(settings);
        new BrokerCheck(config.kafka(), Duration.ofSeconds(30)).createMissing(BrokerCheck.topics(config.kafka()), 2);
        StreamExecutionEnvironment env = RerankJob.environment(config);
        RerankJob.build(env, config, new QwenEngines(config));
        job = env.executeAsync("test");
        settings.put("list.max-candidates", "40");
        settings.put("gateway.timeout", "2 min");
        settings.put("gateway.max-body-bytes", MAX_BODY + " bytes");
        gateway = new Gateway(RerankConfig.of(settings));
        Readiness readiness = new Readiness();
        server = GatewayServer.start(gateway, readiness, new GatewayServer.Address("127.0.0.1", 0, false), null);
        readiness.ready("checkpoint", () -> 1234);
        http = new Http(server.port());
        openApi = OpenApi.read();
    }

    @AfterAll
    static void stop() throws Exception {
        server.close();
        gateway.close();
        job.cancel().get(60, TimeUnit.SECONDS);
        broker.close();
    }

    @Test
    void cohere() {
        Http.Told told = post("/v2/rerank", """
                {"model":"rerank-v4.0","query":"a red dress","documents":["blue mug","red dress","red"],"top_n":2}""");

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        JsonNode answer = told.json();
        assertThat(fields(answer)).containsExactlyInAnyOrder("id", "results", "meta");
        assertThat(answer.get("results")).hasSize(2).allSatisfy(result -> {
            assertThat(fields(result)).containsExactlyInAnyOrder("index", "relevance_score");
            assertThat(result.get("index").asInt()).isBetween(0, 2);
            assertThat(result.get("relevance_score").asDouble()).isBetween(0.0, 1.0);
        });
        assertThat(answer.get("results").get(0).get("relevance_score").asDouble())
                .isGreaterThanOrEqualTo(
                        answer.get("results").get(1).get("relevance_score").asDouble());
        assertThat(answer.at("/meta/api_version/version").asText()).isEqualTo("2");
        assertThat(answer.at("/meta/billed_units/search_units").asInt()).isEqualTo(1);
        assertThat(told.header("Server-Timing")).contains("source;dur=", "score;dur=", "gateway;dur=", "total;dur=");
    }

    @Test
    void jinaWithPictures() {
        Http.Told told = post("/v1/rerank", """
                {"model":"jina-reranker-m0","query":{"image":"%s"},"instruction":"find the same",
                 "documents":["plain text",{"text":"an object"},{"image":"data:image/png;base64,%s"},
                 {"text":"both","image":"%s"}]}""".formatted(PICTURE, PICTURE, PICTURE));

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        JsonNode answer = told.json();
        assertThat(answer.get("model").asText()).isEqualTo("checkpoint");
        assertThat(answer.at("/usage/total_tokens").asInt()).isPositive();
        assertThat(answer.get("results")).hasSize(4);
        answer.get("results").forEach(result -> {
            int index = result.get("index").asInt();
            JsonNode document = result.get("document");
            assertThat(document.has("image")).isEqualTo(index >= 2);
            assertThat(document.path("text").asText("-"))
                    .isEqualTo(List.of("plain text", "an object", "-", "both").get(index));
        });
    }

    @Test
    void partsAsVllmTakesThem() {
        String part = "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64," + PICTURE + "\"}}";
        for (String path : List.of("/v1/rerank", "/v2/rerank")) {
            Http.Told told = post(path, """
                    {"model":"m","query":{"content":[{"type":"text","text":"look"},%s]},"top_n":0,
                     "return_documents":false,"request_id":"mine-7",
                     "documents":[{"content":[{"type":"text","text":"red"},%s]},{"content":"blue"}]}""".formatted(part, part));

            assertThat(told.status()).as(told.body()).isEqualTo(200);
            assertThat(told.json().get("results")).hasSize(2);
            assertThat(told.json().at("/results/0").has("document")).isFalse();
            assertThat(told.json().get("id").asText()).isEqualTo("mine-7");
        }
    }

    @Test
    void aDocumentWithoutScoreIsNotAmongTheResultsButSaidSo() {
        Http.Told told = post("/v2/rerank", """
                {"model":"m","query":"red","documents":["red",{"image":"bm8gcGljdHVyZQ=="},""]}""");

        assertThat(told.json().get("results")).hasSize(1);
        assertThat(told.json().at("/meta/warnings")).hasSize(2);
        assertThat(told.json().at("/meta/warnings/0").asText()).contains("documents[1]", "IMAGE_UNREADABLE");
        Http.Told jina = post("/v1/rerank", "{\"query\":\"red\",\"documents\":[\"red\",\"\"]}");
        assertThat(jina.json().get("warnings")).hasSize(1);
    }

    @Test
    void plainStrings() {
        Http.Told told = post("/api/rerank", "{\"query\":\"red\",\"documents\":[\"blue\",\"red\"],\"top_n\":1}");

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        assertThat(told.json().get("results")).hasSize(1);
        JsonNode first = told.json().at("/results/0");
        assertThat(first.get("document").asText())
                .isEqualTo(List.of("blue", "red").get(first.get("index").asInt()));
        assertThat(first.get("score").asDouble()).isBetween(0.0, 1.0);
        refused("/api/rerank", "{\"query\":\"red\",\"documents\":[{\"text\":\"a\"}]}", 400, "documents[0]", "a string");
    }

    @Test
    void aMarkdownTableThatNoDocumentCanBreak() {
        String hostile = "<script>alert(1)</script> | ![x](javascript:y) \\n| 1 | `a` \\u2028 **b** \\\\";
        Http.Told told = post("/rerank_batch", """
                {"instruction":"which is red?","query":{"text":"red","image":"%s"},
                 "documents":[{"text":"%s"},{"text":"red"},{"text":"","image":""},{"image":"bm8="}]}""".formatted(PICTURE, hostile).replace(",\"image\":\"\"", ""));

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        assertThat(told.header("Content-Type")).startsWith("text/markdown");
        List<String> lines = told.body().lines().toList();
        assertThat(lines.get(0)).isEqualTo("| rank | was | score | band | document | note |");
        assertThat(lines).hasSize(6);
        assertThat(lines.subList(2, 6))
                .allSatisfy(line ->
                        assertThat(line.split("(?<!\\\\)\\|", -1)).as(line).hasSize(8));
        assertThat(told.body())
                .contains("&lt;script&gt;", "\\|", "\\!\\[x\\]")
                .doesNotContain("<script", "\u2028")
                .contains("rejected because EMPTY", "rejected because IMAGE\\_UNREADABLE".replace("\\_", "_"));
    }

    @Test
    void theContractsOwnList() {
        Http.Told told = post("/api/lists", """
                {"request_id":"mine","attributes":{"group":"g"},"query":{"text":"red"},"top_n":1,"candidates":[
                 {"id":"a","text":"red"},{"id":"b","text":"blue","attributes":{"sales":"9"},"relevance":2}]}""");

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        JsonNode answer = told.json();
        assertThat(answer.get("request_id").asText()).isEqualTo("mine");
        assertThat(answer.get("status").asText()).isEqualTo("COMPLETE");
        assertThat(answer.at("/results/0/id").asText()).isEqualTo("b");
        assertThat(answer.at("/results/0/rules/0").asText()).isEqualTo("favourite");
        assertThat(answer.at("/left_out/0/reason").asText()).isEqualTo("TOP_N");
        assertThat(answer.at("/latency/total").asLong()).isPositive();
        refused("/api/lists", "{\"request_id\":\"mine\"}", 400, "query is missing");
        refused("/api/lists", "{\"request_id\":\"no name!\",\"query\":{},\"candidates\":[]}", 400, "request_id");
    }

    @Test
    void aQueryThatCannotBeReadIsRefusedWhereScoresArePromised() {
        refused("/v2/rerank", "{\"model\":\"m\",\"query\":\" \",\"documents\":[\"a\"]}", 422, "QUERY_EMPTY");
    }

    @Test
    void aDeadLetterIsItsReason() {
        String documents = String.join(",", java.util.Collections.nCopies(35, "\"red\""));
        for (String path : List.of("/v1/rerank", "/v2/rerank", "/api/rerank", "/rerank_batch")) {
            refused(
                    path,
                    "{\"model\":\"m\",\"query\":\"red\",\"documents\":[" + documents + "]}",
                    422,
                    "INVALID",
                    "30");
        }
    }

    @Test
    void whatIsNoRequestIsRefusedInTheFormOfItsApi() {
        for (String path : List.of("/v1/rerank", "/v2/rerank", "/api/rerank", "/rerank_batch")) {
            refused(path, "{\"query\":", 400, "not JSON");
            refused(path, "[]", 400, "an object");
            refused(path, "{} {}", 400, "not JSON");
            refused(path, "{\"model\":\"m\",\"documents\":[\"a\"]}", 400, "query is missing");
            refused(path, "{\"model\":\"m\",\"query\":\"a\"}", 400, "documents is missing");
            refused(path, "{\"model\":\"m\",\"query\":\"a\",\"documents\":[]}", 400, "at least one");
            refused(path, "{\"model\":\"m\",\"query\":\"a\",\"documents\":[7]}", 400, "documents[0]", "found 7");
            refused(path, "{\"model\":\"m\",\"query\":\"a\",\"documents\":[\"a\"],\"top_n\":-1}", 400, "top_n");
            refused(path, "{\"a\":".repeat(100_000), 400, "nesting");
            String many = String.join(",", java.util.Collections.nCopies(10_000, "\"a\""));
            refused(path, "{\"query\":\"a\",\"documents\":[" + many + "]}", 400, "10000", "list.max-candidates");
        }
        String svg = Base64.getEncoder()
                .encodeToString("\n<svg xmlns='http://www.w3.org/2000/svg'/>"
                        .getBytes(java.nio.charset.StandardCharsets.UTF_8));
        refused(
                "/v1/rerank",
                "{\"query\":{\"image\":\"" + svg + "\"},\"documents\":[\"a\"]}",
                400,
                "query.image",
                "SVG");
        refused(
                "/api/lists",
                "{\"request_id\":\"a\",\"query\":{\"images\":[\"data:image/svg+xml;base64," + svg
                        + "\"]},\"candidates\":[]}",
                400,
                "SVG");
        refused("/v1/rerank", "{\"query\":{\"image\":\"file:/etc/passwd\"},\"documents\":[\"a\"]}", 400, "query.image");
    }

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
        assertThat(gateway.freePlaces()).isEqualTo(gateway.config().gateway().maxRequests());
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
        assertThat(answer.statusCode()).isEqualTo(405);
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
                "/scenes/../../etc/passwd",
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
        openApi.describes("/api/info", "get", info);
        assertThat(http.get("/api/scenes").json()).isEmpty();
    }

    @Test
    void everyPathIsDescribedAndNothingElse() {
        Set<String> served = new HashSet<>(server.paths());
        served.removeIf(path -> path.matches("/([a-z]+\\.(js|css|html))?|/openapi.json"));
        served.remove("/api/live/");
        served.add("/api/live/{request_id}");
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
        assertThat(gateway.freePlaces()).isEqualTo(gateway.config().gateway().maxRequests());
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
        }
        assertThat(http.get("/api/live/unknown").status()).isEqualTo(404);
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

    private static Http.Told post(String path, String json) {
        Http.Told told = http.post(path, json);
        if (openApi.paths().contains(path)) {
            openApi.describes(path, "post", told);
            if (told.status() == 200) {
                openApi.describesRequest(path, json);
            }
        }
        return told;
    }

    private static void refused(String path, String json, int status, String... told) {
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

    private static List<String> fields(JsonNode node) {
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
