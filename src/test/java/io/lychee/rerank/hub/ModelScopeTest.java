package io.lychee.rerank.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class ModelScopeTest {

    private static final ModelReference MODEL = ModelReference.parse("modelscope:test/tiny");

    private final List<String> messages = new ArrayList<>();
    private final Map<String, String> environment = new HashMap<>();
    private TestHub hub;

    @TempDir
    private Path home;

    @BeforeEach
    void start() throws IOException {
        hub = TestHub.golden();
        environment.putAll(
                Map.of("HOME", home.toString(), "MODELSCOPE_ENDPOINT", hub.url(), "MODELSCOPE_API_TOKEN", "ms-secret"));
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    private ModelHub models() {
        return new ModelHub(environment, (done, total) -> {}, messages::add, Downloader.RANGE_BYTES, time -> {});
    }

    private Path snapshot() {
        return home.resolve(".cache/modelscope/models/test--tiny/snapshots/master");
    }

    @Test
    void aPullFillsTheCacheOfThePythonClient() {
        hub.next(TestHub.FIRST, hub.cut(TestHub.FIRST, 1000)).next(TestHub.SECOND, hub.corrupt(TestHub.SECOND));
        Path directory = models().pull(MODEL).directory();

        assertThat(directory).isEqualTo(snapshot());
        for (String name : List.of("config.json", "README.md", TestHub.FIRST, TestHub.SECOND, TestHub.INDEX)) {
            assertThat(directory.resolve(name)).hasBinaryContent(hub.files.get(name));
        }
        assertThat(directory.resolve("pytorch_model.bin")).doesNotExist();
        assertThat(directory).isDirectoryNotContaining("glob:**incomplete");
        assertThat(CheckpointFiles.of(directory.toString()).name()).isEqualTo("test/tiny");
        assertThat(models().cached(MODEL)).isPresent();
        assertThat(hub.requests)
                .allSatisfy(request ->
                        assertThat(request.authorization()).isEqualTo(request.cdn() ? null : "Bearer ms-secret"));
    }

    @Test
    void aMovedBranchReplacesItsFiles() {
        models().pull(MODEL);
        hub.requests.clear();
        models().pull(MODEL);
        assertThat(hub.requests).hasSize(1);
        hub.files.put("README.md", "# TINY".getBytes(StandardCharsets.UTF_8)); // of the same size
        models().pull(MODEL);
        assertThat(hub.requests("README.md")).hasSize(1);
        assertThat(snapshot().resolve("README.md")).hasContent("# TINY");

        models().pull(MODEL.at("v1"));
        assertThat(snapshot().resolveSibling("v1").resolve("config.json")).exists();
        hub.close();
        assertThat(models().pull(MODEL).directory()).isEqualTo(snapshot());
        assertThat(messages).singleElement().asString().contains("can't be reached");
    }

    @ParameterizedTest
    @ValueSource(strings = {"models/test/tiny___1", "hub/models/test/tiny___1"})
    void whatOlderClientsDownloadedNeedsNoRequest(String folder) throws IOException {
        environment.put("MODELSCOPE_CACHE", home.resolve("cache").toString());
        Path directory = Files.createDirectories(home.resolve("cache").resolve(folder));
        for (Map.Entry<String, byte[]> file : hub.files.entrySet()) {
            if (!file.getKey().contains("/")) {
                Files.write(directory.resolve(file.getKey()), file.getValue());
            }
        }
        ModelReference model = ModelReference.parse("modelscope:test/tiny.1");
        assertThat(models().cached(model)).map(ModelHub.Snapshot::directory).contains(directory);
        assertThat(models().cached(model.at("v1")))
                .as("of which revision is unknown")
                .isEmpty();
        assertThat(hub.requests).isEmpty();
    }

    @Test
    void refusalsNameTheVariables() {
        hub.next(TestHub.LISTING, TestHub.status(403));
        assertThatThrownBy(() -> models().pull(MODEL))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("MODELSCOPE_API_TOKEN", hub.url() + "/models/test/tiny")
                .hasMessageNotContaining("ms-secret");
        hub.next(TestHub.LISTING, exchange -> {
            byte[] answer = "{\"Code\":10010205001,\"Message\":\"not found\"}".getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
        });
        assertThatThrownBy(() -> models().pull(MODEL))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("modelscope:test/tiny", "MODELSCOPE_ENDPOINT");
        hub.files.put("../config.json", new byte[1]);
        assertThatThrownBy(() -> models().pull(MODEL)).hasMessageContaining("a relative path");
        assertThat(home.resolve(".cache")).doesNotExist();
    }
}
