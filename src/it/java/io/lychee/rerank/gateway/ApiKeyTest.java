package io.lychee.rerank.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import java.net.URLEncoder;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A gateway that asks for a key: who gets in, and what the others are told. */
@Timeout(240)
class ApiKeyTest extends GatewayFixture {

    private static final String FIRST = "first-key;=%20";
    private static final String SECOND = "second-key";

    @TempDir
    private static Path folder;

    private static Gateway locked;
    private static GatewayServer lockedServer;
    private static Http door;

    @BeforeAll
    static void lock() throws Exception {
        Path keys = Files.writeString(folder.resolve("keys"), "# for teams\n" + FIRST + "\n\n " + SECOND + " \n");
        locked = new Gateway(RerankConfig.of(Map.of(
                "kafka.bootstrap-servers",
                broker.bootstrapServers(),
                "model.checkpoint",
                "src/test/resources/golden/checkpoint",
                "gateway.timeout",
                "2 min",
                "gateway.api-key",
                "file:" + keys)));
        Readiness readiness = new Readiness();
        lockedServer = new GatewayServer(locked, readiness, new GatewayServer.Address("127.0.0.1", 0, false), null);
        readiness.ready("checkpoint", null);
        door = new Http(lockedServer.port());
    }

    @AfterAll
    static void unlock() {
        lockedServer.close();
        locked.close();
    }

    /** Status and the field with the message, of an API's own form of errors. */
    @ParameterizedTest
    @CsvSource({
        "/v2/rerank, /message",
        "/v1/rerank, /detail",
        "/rerank, /error",
        "/v1/ranking, /error",
        "/score, /error/message",
        "/api/lists, /error/message",
    })
    void withoutAKeyEachApiRefusesInItsForm(String path, String message) {
        String body = "{\"query\":\"red\",\"documents\":[\"red\"]}";
        Http.Told none = door.post(path, body);
        assertThat(none.status()).isEqualTo(401);
        openApi.describes(path, "post", none);
        assertThat(none.header("WWW-Authenticate")).isEqualTo("Bearer");
        assertThat(none.json().at(message).asText())
                .startsWith("the API key is missing; expected Authorization: Bearer");

        Http.Told wrong = Http.told(send(path, "Authorization", "Bearer first-key", body));
        assertThat(wrong.status()).isEqualTo(401);
        assertThat(wrong.json().at(message).asText()).startsWith("the API key is wrong");
        assertThat(wrong.body()).doesNotContain("first-key");
    }

    @ParameterizedTest
    @CsvSource({
        "Authorization, Bearer first-key;=%20",
        "Authorization, bearer second-key",
        "x-api-key, first-key;=%20",
        "X-Api-Key, second-key",
    })
    void eachKeyOpensInEachHeader(String header, String value) {
        HttpResponse<String> answer = send("/v1/rerank", header, value, "{\"query\":\"red\",\"documents\":[\"red\"]}");

        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
    }

    @Test
    void aPagesCookieOpensItsEventStream() throws Exception {
        String cookie = "theme=dark; lychee-key=" + URLEncoder.encode(FIRST, StandardCharsets.UTF_8);
        var response = java.net.http.HttpClient.newHttpClient()
                .send(door.to("/api/live").header("Cookie", cookie).build(), HttpResponse.BodyHandlers.ofInputStream());
        assertThat(response.statusCode()).isEqualTo(200);
        response.body().close();
        assertThat(door.get("/api/live").status()).isEqualTo(401);
    }

    @ParameterizedTest
    @ValueSource(strings = {"/api/info", "/api/scenes", "/api/live/some-id", "/v1/models", "/nowhere"})
    void nothingOfListsOrTheModelIsToldWithoutAKey(String path) {
        assertThat(door.get(path).status()).isEqualTo(401);
    }

    @Test
    void theDescriptionSaysWhatNeedsAKey() {
        assertThat(openApi.root().get("security").findValuesAsText("bearer")).hasSize(1);
        assertThat(openApi.root().at("/components/securitySchemes/key/name").asText())
                .isEqualTo("x-api-key");
        openApi.root()
                .get("paths")
                .properties()
                .forEach(path -> path.getValue()
                        .forEach(operation -> assertThat(
                                        operation.path("responses").has("401"))
                                .as(path.getKey())
                                .isEqualTo(!lockedServer.router().isOpen(path.getKey()))
                                .isEqualTo(!operation.has("security"))));
    }

    @ParameterizedTest
    @ValueSource(strings = {"/", "/app.js", "/style.css", "/openapi.json", "/health/live", "/health/ready"})
    void healthAndTheConsolesFilesNeedNone(String path) {
        assertThat(door.get(path).status()).isEqualTo(200);
    }

    @Test
    void whatIsNoKeyIsRefusedAtStart() throws Exception {
        Path empty = Files.writeString(folder.resolve("empty"), "# none yet\n");
        for (String setting : List.of("short", "with white space", "file:" + folder.resolve("none"), "file:" + empty)) {
            assertThatThrownBy(() -> new ApiKeys(setting))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("gateway.api-key")
                    .hasMessageNotContaining("white space with");
        }
        assertThat(RerankConfig.describe(Map.of("gateway.api-key", "a-secret-key")))
                .contains("gateway.api-key=******")
                .doesNotContain("a-secret-key");
    }

    private static HttpResponse<String> send(String path, String header, String value, String body) {
        return door.send(door.to(path)
                        .header("Content-Type", "application/json")
                        .header(header, value)
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build())
                .join();
    }
}
