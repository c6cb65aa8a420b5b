package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.job.RerankJob;
import io.lychee.rerank.kafka.TopicAdmin;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Many bodies, each within every limit, against a gateway with a small heap: others are still answered. */
@Timeout(300)
class ServeHeapTest {

    private static final String CHECKPOINT = "src/test/resources/golden/checkpoint";
    private static final int BODY = 12 * 1024 * 1024 - 100;
    private static final int CLIENTS = 20;
    private static final String GOOD = "{\"query\":\"hat\",\"documents\":[\"hat\",\"mug\"]}";

    @TempDir
    private Path folder;

    private final HttpClient http = HttpClient.newHttpClient();

    @Test
    void goodRequestsAreAnsweredInBetween() throws Exception {
        EmbeddedBroker broker = EmbeddedBroker.start();
        RerankConfig config = RerankConfig.of(Map.of(
                "kafka.bootstrap-servers",
                broker.bootstrapServers(),
                "model.checkpoint",
                CHECKPOINT,
                "model.device",
                "cpu"));
        new TopicAdmin(config.kafka(), Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(config.kafka()), 1);
        StreamExecutionEnvironment env = RerankJob.environment(config);
        RerankJob.build(env, config, new QwenEngineFactory(config));
        JobClient job = env.executeAsync("heap");
        try (ChildProcess serve = ChildProcess.start(
                folder.resolve("serve.log"),
                List.of(),
                "256m",
                "serve",
                "--port",
                "0",
                "-D",
                "kafka.bootstrap-servers=" + broker.bootstrapServers())) {
            URI url = URI.create(serve.await(Up.URL));
            while (get(url) != 200) {
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(50));
            }
            // the objects and strings of no known field, documents in every form, a picture, attributes, and a stall
            String documents = "{\"query\":\"a\",\"documents\":[";
            flood(url, "/v1/rerank", documents + "\"a\"],\"x\":[", "{},", "0]}", 400);
            flood(url, "/v2/rerank", documents + "\"a\"],\"x\":[", "\"a\",", "0]}", 400);
            flood(url, "/v1/rerank", documents + "\"a\"],\"x\":\"", "aaaaaaaa", "\"}", 200);
            flood(
                    url,
                    "/v1/rerank",
                    documents + "{\"content\":[",
                    "{\"type\":\"text\",\"text\":\"a\"},",
                    "{}]}]}",
                    400);
            flood(url, "/v1/rerank", documents + "{\"text\":\"", "\u00e9\u4e2d", "\"}]}", 413);
            flood(url, "/v1/rerank", documents + "{\"image\":\"", "AAAA", "\"}]}", 413);
            flood(
                    url,
                    "/api/lists",
                    "{\"request_id\":\"a\",\"query\":{\"text\":\"a\"},\"candidates\":[",
                    "{\"id\":\"1\",\"attributes\":{\"a\":\"\"}},",
                    "{}]}",
                    400);
            flood(url, "/v1/rerank", "{\"query\":\"", "a", "", 0);
            assertThat(serve.process().isAlive()).isTrue();
            assertThat(serve.output()).doesNotContain("OutOfMemoryError");
        } finally {
            job.cancel().get(60, TimeUnit.SECONDS);
            broker.close();
        }
    }

    /** @param taken status of those that were read; 0 where the bodies never end */
    private void flood(URI url, String path, String begin, String unit, String end, int taken) throws Exception {
        ExecutorService clients = Executors.newFixedThreadPool(CLIENTS);
        List<Socket> open = new ArrayList<>();
        List<CompletableFuture<Integer>> told = new ArrayList<>();
        byte[] units = unit.repeat(65536 / unit.length()).getBytes(StandardCharsets.UTF_8);
        int repeats = (BODY - begin.length() - end.length()) / units.length;
        for (int i = 0; i < CLIENTS; i++) {
            Socket socket = new Socket(url.getHost(), url.getPort());
            open.add(socket);
            int length = begin.length() + repeats * units.length + end.length() + (taken == 0 ? 1 : 0);
            told.add(CompletableFuture.supplyAsync(
                    () -> send(socket, path, begin, units, repeats, end, length), clients));
        }
        try {
            for (int i = 0; i < 5; i++) {
                HttpResponse<String> good = http.send(
                        HttpRequest.newBuilder(url.resolve("/v1/rerank"))
                                .header("Content-Type", "application/json")
                                .POST(HttpRequest.BodyPublishers.ofString(GOOD))
                                .build(),
                        HttpResponse.BodyHandlers.ofString());
                assertThat(good.statusCode())
                        .as("%s %s: %s", path, unit, good.body())
                        .isEqualTo(200);
            }
            if (taken != 0) {
                List<Integer> statuses =
                        told.stream().map(CompletableFuture::join).toList();
                System.out.println(path + " " + begin + unit + ": " + statuses);
                assertThat(statuses).contains(taken).allMatch(status -> status == taken || status == 429);
            }
        } finally {
            for (Socket socket : open) {
                socket.close();
            }
            clients.shutdownNow();
        }
        assertThat(clients.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
    }

    private static int send(
            Socket socket, String path, String begin, byte[] units, int repeats, String end, int length) {
        try {
            OutputStream out = socket.getOutputStream();
            String head = "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    + "Content-Length: " + length + "\r\n\r\n";
            out.write((head + begin).getBytes(StandardCharsets.UTF_8));
            for (int i = 0; i < repeats; i++) {
                out.write(units);
            }
            out.write(end.getBytes(StandardCharsets.UTF_8));
            String line = new BufferedReader(
                            new InputStreamReader(socket.getInputStream(), StandardCharsets.ISO_8859_1))
                    .readLine();
            return line == null ? -1 : Integer.parseInt(line.split(" ", 3)[1]);
        } catch (IOException e) {
            return -2;
        }
    }

    private int get(URI url) throws Exception {
        return http.send(
                        HttpRequest.newBuilder(url.resolve("/health/ready")).build(),
                        HttpResponse.BodyHandlers.ofString())
                .statusCode();
    }
}
