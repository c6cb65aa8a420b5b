package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.hub.TestHub;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A model's name on a hub in place of a directory: {@code up} downloads it, later commands find it. */
@Timeout(180)
class PullCommandTest {

    private static final Pattern LOADED = Pattern.compile("(\\S+) is loaded, after");

    @TempDir
    private Path folder;

    @Test
    void upDownloadsAModelAndReranksWithIt() throws Exception {
        Map<String, String> environment;
        try (TestHub hub = TestHub.golden()) {
            environment = Map.of("HF_ENDPOINT", hub.url(), "HF_HOME", folder + "/hf", "NO_PROXY", "*");
            try (ChildProcess up = ChildProcess.start(
                    folder.resolve("up.log"),
                    environment,
                    "up",
                    "--port",
                    "0",
                    "--device",
                    "cpu",
                    "--checkpoint",
                    "hf:test/tiny")) {
                String url = up.await(Up.URL);
                assertThat(up.await(LOADED)).isEqualTo("test/tiny");
                JsonNode answer = rerank(url);
                assertThat(answer.path("model").asText()).isEqualTo("test/tiny");
                assertThat(answer.path("results")).hasSize(2);
            }
        }
        // the hub is gone; what was downloaded is not
        Path snapshots = folder.resolve("hf/hub/models--test--tiny/snapshots");
        try (ChildProcess pull = ChildProcess.start(folder.resolve("pull.log"), environment, "pull", "test/tiny")) {
            assertThat(pull.process().waitFor()).as(pull.output()).isZero();
            assertThat(pull.output()).contains("can't be reached", "is at revision", snapshots.toString());
        }
        try (ChildProcess doctor = ChildProcess.start(
                folder.resolve("doctor.log"),
                environment,
                "doctor",
                "--device",
                "cpu",
                "--checkpoint",
                "hf:test/tiny")) {
            assertThat(doctor.process().waitFor()).as(doctor.output()).isZero();
        }
    }

    @Test
    void doctorAndClustersDownloadNothing() throws Exception {
        Map<String, String> environment = Map.of("HF_ENDPOINT", "http://127.0.0.1:9", "HF_HOME", folder.toString());
        try (ChildProcess doctor = ChildProcess.start(
                folder.resolve("doctor.log"), environment, "doctor", "--checkpoint", "hf:test/tiny")) {
            assertThat(doctor.process().waitFor()).as(doctor.output()).isEqualTo(1);
            assertThat(doctor.output())
                    .contains("NO   memory         model.checkpoint is hf:test/tiny", "./lychee pull hf:test/tiny");
        }
    }

    @Test
    void wrongUseIsOneMessage() {
        assertThat(List.of(Cli.run("pull", "tiny"), Cli.run("pull", "test/tiny", "--revision", "../x")))
                .allSatisfy(run -> {
                    assertThat(run.exitCode()).isEqualTo(1);
                    assertThat(run.err()).contains("tiny", "expected").doesNotContain("\tat ");
                });
    }

    private static JsonNode rerank(String url) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + "/v1/rerank"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString("{\"query\":\"red\",\"documents\":[\"a\",\"b\"]}"))
                .build();
        return new ObjectMapper()
                .readTree(HttpClient.newHttpClient()
                        .send(request, HttpResponse.BodyHandlers.ofString())
                        .body());
    }
}
