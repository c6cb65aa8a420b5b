package io.lychee.rerank.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.kafka.TopicAdmin;
import java.net.InetAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Heads that no well-behaved client of this gateway would send; {@code PORT} in them is its own. */
@Timeout(60)
class RawRequestsTest {

    private static EmbeddedBroker broker;
    private static Gateway gateway;
    private static GatewayServer local;
    private static GatewayServer open;

    @BeforeAll
    static void start() {
        broker = EmbeddedBroker.start();
        RerankConfig config = RerankConfig.of(Map.of(
                "kafka.bootstrap-servers", broker.bootstrapServers(),
                "model.checkpoint", "none",
                "gateway.timeout", "500 ms",
                "gateway.read-timeout", "5 s",
                "gateway.allowed-hosts", "rerank.example.com;other.example.com:8443"));
        new TopicAdmin(config.kafka(), Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(config.kafka()), 1);
        gateway = new Gateway(config);
        Readiness readiness = new Readiness();
        readiness.ready(null, null);
        local = new GatewayServer(gateway, readiness, new GatewayServer.Address("127.0.0.1", 0, false), null);
        open = new GatewayServer(gateway, readiness, new GatewayServer.Address("0.0.0.0", 0, false), null);
        local.router().add("/test/thrown", (Api) (body, clientId, asked) -> {
            throw new StackOverflowError("as if a body were too deep");
        });
        local.router().add("/test/heap", (Api) (body, clientId, asked) -> {
            throw new OutOfMemoryError("as if the heap were full");
        });
        local.router().add("/test/get", (Route.Get) path -> {
            throw new StackOverflowError("as if a page were too deep");
        });
    }

    @AfterAll
    static void stop() {
        open.close();
        local.close();
        gateway.close();
        broker.close();
    }

    @ParameterizedTest
    @CsvSource(textBlock = """
            localhost,                200
            localhost:PORT,           200
            LOCALHOST:PORT,           200
            127.0.0.1:PORT,           200
            [::1]:PORT,               200
            localhost:80,             421
            localhost:,               200
            [::1]:80,                 421
            localhost:80@evil,        421
            localhost.evil.example,   421
            127.0.0.1.nip.io,         421
            evil.example:PORT,        421
            evil.example,             421
            127.1,                    421
            2130706433,               421
            0.0.0.0:PORT,             421
            '',                       421
            'localhost, evil.example', 421
            rerank.example.com,       200
            rerank.example.com:PORT,  200
            rerank.example.com:81,    421
            other.example.com:8443,   200
            other.example.com,        421
            """)
    void hosts(String host, int status) throws Exception {
        assertThat(status("GET /health/live", "Host: " + host)).isEqualTo(status);
        assertThat(status("HEAD /api/info", "Host: " + host)).isEqualTo(status);
        if (!host.startsWith("0")) {
            assertThat(Raw.status(open.port(), request("GET /health/live", open.port(), "Host: " + host)))
                    .as("on every address")
                    .isEqualTo(status);
        }
    }

    @Test
    void oneHost() throws Exception {
        assertThat(status("GET /health/live")).isEqualTo(400);
        assertThat(status("GET /health/live", "Host: localhost", "Host: evil.example"))
                .isEqualTo(400);
        assertThat(status("GET /health/live", "Host: evil.example", "Host: localhost"))
                .isEqualTo(400);
        assertThat(status("GET /health/live", "Host: localhost", "Host: localhost"))
                .isEqualTo(400);
        assertThat(Raw.status(local.port(), "GET /health/live HTTP/1.0\r\n\r\n"))
                .isEqualTo(200);
        // bound to every address, it is also the one where the connection arrived
        try (Socket socket = new Socket(InetAddress.getByName("127.0.0.2"), open.port())) {
            socket.getOutputStream()
                    .write("GET /health/live HTTP/1.1\r\nHost: 127.0.0.2\r\n\r\n"
                            .getBytes(java.nio.charset.StandardCharsets.ISO_8859_1));
            assertThat(Raw.status(socket)).isEqualTo(200);
        }
    }

    @ParameterizedTest
    @CsvSource(textBlock = """
            localhost:PORT,     http://localhost:PORT,       true
            localhost:PORT,     HTTP://LOCALHOST:PORT,       true
            127.0.0.1:PORT,     http://127.0.0.1:PORT,       true
            localhost,          http://localhost,            true
            localhost:PORT,     http://127.0.0.1:PORT,       false
            localhost:PORT,     http://localhost,            false
            localhost:PORT,     http://localhost:3000,       false
            localhost:PORT,     https://localhost:PORT,      false
            localhost:PORT,     http://evil.example,         false
            localhost:PORT,     http://localhost:PORT.evil.example, false
            localhost:PORT,     null,                        false
            localhost:PORT,     file://,                     false
            localhost:PORT,     localhost:PORT,              false
            rerank.example.com, https://rerank.example.com,  true
            localhost:PORT,     https://rerank.example.com,  true
            localhost:PORT,     https://rerank.example.com:3000, false
            localhost:PORT,     https://other.example.com:8443, true
            localhost:PORT,     https://other.example.com,   false
            """)
    void origins(String host, String origin, boolean same) throws Exception {
        String[] headers = {"Host: " + host, "Origin: " + origin};
        for (String line : new String[] {"GET /health/live", "GET /", "GET /openapi.json", "HEAD /api/live"}) {
            assertThat(status(line, headers)).as(line).isEqualTo(same ? 200 : 403);
        }
        for (String path : new String[] {"/v1/rerank", "/v2/rerank", "/api/rerank", "/rerank_batch", "/api/lists"}) {
            assertThat(status("POST " + path, headers)).as(path).isEqualTo(same ? 400 : 403);
        }
        if (!same) {
            assertThat(status("GET /api/live", headers)).isEqualTo(403);
            assertThat(status("OPTIONS /v1/rerank", headers)).isEqualTo(403);
            assertThat(status("GET /nowhere", headers)).isEqualTo(403);
            assertThat(status("GET /health/live", "Host: " + host, "Origin: http://" + host, headers[1]))
                    .isEqualTo(403);
        }
    }

    @Test
    void crossSiteRequestsChangeNothing() throws Exception {
        String site = "Sec-Fetch-Site: ";
        assertThat(status("POST /v1/rerank", "Host: localhost", site + "cross-site"))
                .isEqualTo(403);
        assertThat(status("POST /v1/rerank", "Host: localhost", site + "same-origin"))
                .isEqualTo(400);
        // a link from elsewhere to the console
        assertThat(status("GET /", "Host: localhost", site + "cross-site")).isEqualTo(200);
    }

    @ParameterizedTest
    @ValueSource(strings = {"abc", "0x10", "99999999999999999999", "45, 45", "-1", "+5", "1 2", "1.0", "1e3", ""})
    void lengthsThatAreNone(String length) throws Exception {
        for (String line : new String[] {"POST /v1/rerank", "GET /health/live"}) {
            try (Socket socket = Raw.open(
                    local.port(),
                    request(
                            line,
                            local.port(),
                            "Host: localhost",
                            "Content-Type: application/json",
                            "Content-Length: " + length))) {
                assertThat(Raw.status(socket)).as(line).isEqualTo(400);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "xchunked",
                "gzip",
                "identity",
                "identity, chunked",
                "gzip, chunked",
                "chunked, identity",
                "chunked\r\nTransfer-Encoding: chunked",
                "gzip\r\nTransfer-Encoding: chunked",
            })
    void codingsOfTheTransfer(String coding) throws Exception {
        assertThat(status(
                        "POST /v1/rerank",
                        "Host: localhost",
                        "Content-Type: application/json",
                        "Transfer-Encoding: " + coding))
                .isEqualTo(501);
    }

    @Test
    void aBrokenChunkEndsTheConnectionAndFreesItsPlace() throws Exception {
        String head = request(
                "POST /v1/rerank",
                local.port(),
                "Host: localhost",
                "Content-Type: application/json",
                "Transfer-Encoding: chunked");
        assertThat(Raw.status(local.port(), head + "2\r\n{}\r\nno length\r\n")).isEqualTo(-1);
        awaitNothingReserved();
    }

    @Test
    void aBodyIsAskedForUnlessItsHeadIsRefused() throws Exception {
        String[] headers = {"Host: localhost", "Content-Length: 2", "Expect: 100-continue", "Content-Type: text/plain"};
        assertThat(status("POST /v1/rerank", headers)).isEqualTo(415);
        headers[3] = "Content-Type: application/json";
        assertThat(status("POST /v1/rerank", headers)).isEqualTo(100);
        awaitNothingReserved();
    }

    @Test
    void headEndsOnEveryRoute() throws Exception {
        for (String path : new String[] {"/", "/health/live", "/openapi.json", "/api/info", "/api/live"}) {
            String head = "HEAD " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
            // more than there are places for listeners
            for (int i = 0; i < 20; i++) {
                try (Socket socket = Raw.open(local.port(), head)) {
                    assertThat(Raw.status(socket)).as(path).isEqualTo(200);
                }
            }
        }
        assertThat(Raw.status(local.port(), "GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n"))
                .as("no place is held")
                .isEqualTo(200);
    }

    @Test
    void anErrorIsAnsweredAndFreesItsPlaceAndHeap() throws Exception {
        for (int i = 0; i < 3; i++) {
            assertThat(body("/test/thrown", "{}")).isEqualTo(500);
            assertThat(body("/test/heap", "{}")).isEqualTo(503);
            assertThat(status("GET /test/get", "Host: localhost")).isEqualTo(500);
        }
        awaitNothingReserved();
    }

    @Test
    void whatIsTakenIsCountedInBytesAndTokens() throws Exception {
        String tokens = "{\"query\":\"a\",\"documents\":[\"a\"],\"x\":[" + "{},".repeat(100_000) + "0]}";
        assertThat(body("/v1/rerank", tokens)).isEqualTo(400);
        assertThat(body("/api/lists", tokens)).isEqualTo(400);
        // nobody answers; what no API knows is passed over
        String large = "{\"query\":\"a\",\"documents\":[\"a\"],\"x\":\"" + "a".repeat(1 << 20) + "\"}";
        assertThat(body("/v1/rerank", large)).isEqualTo(504);
        awaitNothingReserved();
    }

    private static int body(String path, String json) throws Exception {
        return Raw.status(
                local.port(),
                request(
                                "POST " + path,
                                local.port(),
                                "Host: localhost",
                                "Content-Type: application/json",
                                "Content-Length: " + json.length())
                        + json);
    }

    private static int status(String line, String... headers) throws Exception {
        return Raw.status(local.port(), request(line, local.port(), headers));
    }

    private static String request(String line, int port, String... headers) {
        return (line + " HTTP/1.1\r\n" + String.join("\r\n", headers) + (headers.length == 0 ? "\r\n" : "\r\n\r\n"))
                .replace("PORT", Integer.toString(port));
    }

    /** The test's timeout ends a wait in vain. */
    private static void awaitNothingReserved() {
        Admission admission = gateway.admission();
        while (admission.reservedBytes() != 0
                || admission.freePlaces() != gateway.config().gateway().maxRequests()) {
            LockSupport.parkNanos(1_000_000);
        }
    }
}
