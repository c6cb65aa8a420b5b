package io.lychee.rerank.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.common.base.Throwables;
import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.types.Row;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A SQL model with an endpoint has the rows of one in process; what the gateway says comes through. */
@Tag("full")
@Timeout(240)
class SqlEndpointTest extends GatewayFixture {

    private static final String LOCAL =
            "'model.checkpoint' = 'src/test/resources/golden/checkpoint', 'model.device' = 'cpu',"
                    + " 'realtime.timeout' = '1 min', 'rejected-rows' = 'true'";

    private final TableEnvironment table = TableEnvironment.create(EnvironmentSettings.inStreamingMode());

    @BeforeEach
    void lists() throws Exception {
        String picture = HexFormat.of().formatHex(Files.readAllBytes(Path.of("src/test/resources/images/rgb.png")));
        table.executeSql("CREATE TEMPORARY VIEW lists AS SELECT query, candidates FROM (VALUES"
                + " ('a mug', ARRAY[ROW('a', 'blue mug', x'" + picture
                + "'), ROW('b', 'cup \"2\"', CAST(NULL AS BYTES)),"
                + " ROW('c', CAST(NULL AS STRING), x'00')]), ('盘子', ARRAY[ROW('d', '蓝色', CAST(NULL AS BYTES))]))"
                + " AS t (query, candidates)");
    }

    @Test
    void itsRowsAreThoseOfAModelInProcess() {
        List<String> near = predict(LOCAL + ", 'instruction' = 'Find it.'");
        List<String> far = predict(remote(server.port()) + ", 'instruction' = 'Find it.'");

        assertThat(near).hasSize(4).anyMatch(row -> row.endsWith("null, IMAGE_UNREADABLE]"));
        assertThat(far).hasSameSizeAs(near);
        for (int i = 0; i < near.size(); i++) {
            // other passes, and so other last digits
            assertThat(withoutScore(far.get(i))).isEqualTo(withoutScore(near.get(i)));
            assertThat(score(far.get(i))).isCloseTo(score(near.get(i)), within(1e-4));
        }
    }

    @Test
    void aListThatTheGatewayRefusesHasItsRows() {
        String rows = "'mug', ARRAY[ROW('svg', 'mug', ENCODE('<svg xmlns=\"http://www.w3.org/2000/svg\"/>', 'UTF-8'))]";
        table.executeSql("DROP TEMPORARY VIEW lists");
        table.executeSql(
                "CREATE TEMPORARY VIEW lists AS SELECT * FROM (VALUES (" + rows + ")) AS t (query, candidates)");

        assertThat(predict(remote(server.port()))).containsExactly("+I[svg, 1, null, REFUSED]");
    }

    @Test
    void aGatewayThatIsAwayFailsTheTask() throws Exception {
        int nobody;
        try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            nobody = socket.getLocalPort();
        }
        table.getConfig().set("restart-strategy.type", "none");

        assertThatThrownBy(() -> predict(remote(nobody).replace("1 min", "2 s")))
                .satisfies(error -> assertThat(Throwables.getCausalChain(error))
                        .anySatisfy(cause -> assertThat(cause)
                                .hasMessageStartingWith("no answer of http://127.0.0.1:" + nobody + "/api/lists within"
                                        + " realtime.timeout: ")));
    }

    @Test
    void anotherServersAnswerFailsTheTask() throws Exception {
        HttpServer other = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        other.createContext("/", exchange -> {
            try (exchange) {
                exchange.sendResponseHeaders(200, 2);
                exchange.getResponseBody().write("{}".getBytes(StandardCharsets.UTF_8));
            }
        });
        other.start();
        table.getConfig().set("restart-strategy.type", "none");

        try {
            int port = other.getAddress().getPort();
            assertThatThrownBy(() -> predict(remote(port)))
                    .satisfies(error -> assertThat(Throwables.getCausalChain(error))
                            .anySatisfy(cause -> assertThat(cause)
                                    .hasMessage("http://127.0.0.1:" + port + "/api/lists answers 200 without results;"
                                            + " expected the gateway's answer (endpoint)")));
        } finally {
            other.stop(0);
        }
    }

    private static String withoutScore(String row) {
        return row.replaceFirst(", 0\\.\\d+,", ",");
    }

    /** Returns -1 where there is none. */
    private static double score(String row) {
        String score = row.split(", ", -1)[2];
        return score.equals("null") ? -1 : Double.parseDouble(score);
    }

    private static String remote(int port) {
        return "'endpoint' = 'http://127.0.0.1:" + port + "/', 'realtime.timeout' = '1 min', 'rejected-rows' = 'true'";
    }

    private List<String> predict(String options) {
        table.executeSql("DROP MODEL IF EXISTS reranker");
        table.executeSql("CREATE MODEL reranker INPUT (query STRING, candidates ARRAY<ROW<id STRING, text STRING,"
                + " image BYTES>>) OUTPUT (id STRING, `rank` INT, score DOUBLE, reason STRING)"
                + " WITH ('provider' = 'lychee', " + options + ")");
        List<String> rows = new ArrayList<>();
        table.executeSql("SELECT id, `rank`, score, reason FROM ML_PREDICT(TABLE lists, MODEL reranker,"
                        + " DESCRIPTOR(query, candidates))")
                .collect()
                .forEachRemaining((Row row) -> rows.add(row.toString()));
        return rows;
    }
}
