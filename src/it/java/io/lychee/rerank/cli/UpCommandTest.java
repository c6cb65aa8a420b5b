package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.kafka.TopicReader;
import io.lychee.rerank.records.TopicLines;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.common.IsolationLevel;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code up} and {@code serve} as a user types them: from the first line printed to the end that Ctrl-C makes. */
@Timeout(180)
class UpCommandTest {

    private static final Path CHECKPOINT =
            Path.of("src/test/resources/golden/checkpoint").toAbsolutePath();
    private static final Duration QUIET = Duration.ofSeconds(10);
    private final HttpClient http = HttpClient.newHttpClient();

    @TempDir
    private Path folder;

    @Test
    void upReranksAndServeBesideItDoesToo() throws Exception {
        try (ServerSocket usual = takeUsualPort();
                ChildProcess up = ChildProcess.start(
                        folder.resolve("up.log"), "up", "--checkpoint", CHECKPOINT.toString(), "--device", "cpu")) {
            String url = up.await(Up.URL);
            assertThat(url).as("8080 is taken").isNotEqualTo("http://127.0.0.1:8080");
            awaitReady(up, url);
            assertHasAnswered(up.await(Up.BROKER));
            assertReranks(url);
            JsonNode info = new ObjectMapper()
                    .readTree(http.send(
                                    HttpRequest.newBuilder(URI.create(url + "/api/info"))
                                            .build(),
                                    HttpResponse.BodyHandlers.ofString())
                            .body());
            assertThat(info.get("demo_checkpoint").asBoolean())
                    .as("the demo's lists are there, its checkpoint isn't loaded")
                    .isFalse();

            try (ChildProcess serve = ChildProcess.start(
                    folder.resolve("serve.log"),
                    "serve",
                    "-D",
                    "kafka.bootstrap-servers=" + up.await(Up.BROKER),
                    "--port",
                    "0")) {
                String other = serve.await(Up.URL);
                assertReranks(other);
                assertEnds(serve);
            }
            assertReranks(url);
            assertEnds(up);
            assertThat(usual == null || usual.isBound()).isTrue();
        }
    }

    @Test
    void anUnusableCheckpointIsOneMessage() throws Exception {
        assertFails(
                "model.checkpoint",
                "none",
                "--checkpoint",
                folder.resolve("none").toString());
        Path shard = copy("shard");
        Files.delete(shard.resolve("model.safetensors"));
        assertFails("model.checkpoint", "safetensors", "--checkpoint", shard.toString());
        Path large = copy("large");
        try (RandomAccessFile sparse =
                new RandomAccessFile(large.resolve("model.safetensors").toFile(), "rw")) {
            sparse.setLength(1L << 42);
        }
        assertFails("model.checkpoint", "GB of memory", "--checkpoint", large.toString());
        Path family = copy("family");
        Files.writeString(
                family.resolve("config.json"),
                Files.readString(family.resolve("config.json"))
                        .replace("\"qwen2_5_vl\"", "\"llava\"")
                        .replace("Qwen2_5_VLForConditionalGeneration", "LlavaForConditionalGeneration"));
        assertFails("model.checkpoint", "llava", "--checkpoint", family.toString());
    }

    @Test
    void aPortInUse() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            assertFails(
                    "--port",
                    "127.0.0.1:" + taken.getLocalPort(),
                    "--checkpoint",
                    CHECKPOINT.toString(),
                    "--port",
                    Integer.toString(taken.getLocalPort()));
        }
    }

    private static void assertFails(String told, String alsoTold, String... options) {
        String[] command = new String[options.length + 3];
        command[0] = "up";
        System.arraycopy(options, 0, command, 1, options.length);
        command[options.length + 1] = "--device";
        command[options.length + 2] = "cpu";
        Cli run = Cli.run(command);
        assertThat(run.exitCode()).as(run.err()).isEqualTo(1);
        assertThat(run.err()).contains(told, alsoTold).doesNotContain("\tat ");
    }

    private Path copy(String name) throws IOException {
        Path copy = Files.createDirectory(folder.resolve(name));
        try (var files = Files.list(CHECKPOINT)) {
            for (Path file : files.toList()) {
                Files.copy(file, copy.resolve(file.getFileName().toString()));
            }
        }
        return copy;
    }

    /** Ready means that the job answers, not that it has been started. */
    private static void assertHasAnswered(String broker) {
        RerankConfig.Kafka kafka = RerankConfig.of(
                        Map.of("kafka.bootstrap-servers", broker, "model.checkpoint", CHECKPOINT.toString()))
                .kafka();
        try (TopicReader answers = new TopicReader(
                kafka, Set.of(kafka.resultsTopic()), TopicReader.From.BEGINNING, IsolationLevel.READ_COMMITTED)) {
            assertThat(TopicLines.read(
                            answers, 1, QUIET, line -> assertThat(line).contains("\"COMPLETE\"")))
                    .isEqualTo(1);
        }
    }

    private void assertReranks(String url) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + "/v1/rerank"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString("{\"query\":\"red\",\"documents\":[\"a\",\"b\"]}"))
                .build();
        HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        assertThat(new ObjectMapper().readTree(response.body()).get("results")).hasSize(2);
    }

    private void awaitReady(ChildProcess up, String url) throws Exception {
        while (true) {
            HttpResponse<String> response = http.send(
                    HttpRequest.newBuilder(URI.create(url + "/health/ready")).build(),
                    HttpResponse.BodyHandlers.ofString());
            JsonNode state = new ObjectMapper().readTree(response.body());
            assertThat(state.get("phase").asText()).isIn("starting", "loading", "ready");
            if (response.statusCode() == 200) {
                return;
            }
            requireAlive(up);
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(50));
        }
    }

    private static void requireAlive(ChildProcess process) throws IOException {
        assertThat(process.process().isAlive()).as(process.output()).isTrue();
    }

    private static void assertEnds(ChildProcess process) throws Exception {
        process.process().destroy();
        assertThat(process.process().waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(List.of(process.output().split("\n")))
                .noneMatch(line -> line.startsWith("lychee:") || line.contains("Exception"));
    }

    /** Null where somebody else has it, which is as good. */
    private static ServerSocket takeUsualPort() throws IOException {
        try {
            return new ServerSocket(8080, 1, InetAddress.getLoopbackAddress());
        } catch (java.net.BindException e) {
            return null;
        }
    }
}
