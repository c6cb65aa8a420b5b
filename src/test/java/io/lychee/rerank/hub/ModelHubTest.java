package io.lychee.rerank.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.commons.codec.digest.DigestUtils;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class ModelHubTest extends HuggingFaceFixture {

    private static final List<String> NEEDED = List.of(
            "README.md",
            "config.json",
            "generation_config.json",
            TestHub.FIRST,
            TestHub.SECOND,
            TestHub.INDEX,
            "preprocessor_config.json",
            "tokenizer.json");

    @Test
    void aPullFillsTheCacheOfThePythonClient() throws IOException {
        ModelHub.Snapshot pulled = models().pull(MODEL);

        assertThat(pulled).isEqualTo(new ModelHub.Snapshot(snapshot(), TestHub.COMMIT));
        assertThat(folder().resolve("refs/main")).hasContent(TestHub.COMMIT);
        assertThat(names(snapshot()))
                .containsExactlyElementsOf(NEEDED.stream().sorted().toList());
        for (String name : NEEDED) {
            byte[] bytes = hub.files.get(name);
            String blob = name.endsWith(".safetensors") ? DigestUtils.sha256Hex(bytes) : TestHub.gitHash(bytes);
            assertThat(Files.readSymbolicLink(snapshot().resolve(name))).hasToString("../../blobs/" + blob);
            assertThat(snapshot().resolve(name)).hasBinaryContent(bytes);
        }
        assertThat(names(folder().resolve("blobs"))).hasSameSizeAs(NEEDED);
        assertThat(CheckpointFiles.of(pulled.directory().toString()).name()).isEqualTo("test/tiny");
        assertThat(models().cached(MODEL)).contains(pulled);
    }

    @Test
    void theTokenGoesToTheHubAlone() {
        models().pull(MODEL);

        assertThat(hub.requests)
                .filteredOn(TestHub.Request::cdn)
                .hasSize(2)
                .allSatisfy(request -> assertThat(request.authorization()).isNull());
        assertThat(hub.requests)
                .filteredOn(request -> !request.cdn())
                .isNotEmpty()
                .allSatisfy(request -> assertThat(request.authorization()).isEqualTo("Bearer " + TOKEN));
    }

    @Test
    void theTokenMayLieInItsFile() throws IOException {
        environment.remove("HF_TOKEN");
        Files.createDirectories(home.resolve(".cache/huggingface"));
        Files.writeString(home.resolve(".cache/huggingface/token"), TOKEN + "\n");
        models().pull(MODEL);
        assertThat(hub.requests.get(0).authorization()).isEqualTo("Bearer " + TOKEN);
    }

    @Test
    void aSecondPullAsksOnlyWhetherTheRevisionMoved() throws IOException {
        models().pull(MODEL);
        hub.requests.clear();
        assertThat(models().pull(MODEL).revision()).isEqualTo(TestHub.COMMIT);
        assertThat(hub.requests).extracting(TestHub.Request::name).containsExactly(TestHub.LISTING);

        hub.requests.clear();
        hub.commit = "f".repeat(40);
        hub.files.put("README.md", "# tiny, better".getBytes(StandardCharsets.UTF_8));
        Path moved = models().pull(MODEL).directory();
        assertThat(hub.requests).extracting(TestHub.Request::name).containsExactly(TestHub.LISTING, "README.md");
        assertThat(moved.resolve("README.md")).hasContent("# tiny, better");
        assertThat(snapshot().resolve("README.md")).hasContent("# tiny");
        assertThat(folder().resolve("refs/main")).hasContent(hub.commit);

        hub.requests.clear();
        assertThat(models().pull(MODEL.at(TestHub.COMMIT)).directory()).isEqualTo(snapshot());
        assertThat(hub.requests).as("a commit can't move").isEmpty();
    }

    @Test
    void whatThePythonClientDownloadedNeedsNoRequest() throws IOException {
        Path cache = Files.createDirectories(home.resolve("elsewhere/models--test--tiny"));
        environment.put("HF_HUB_CACHE", "~/elsewhere");
        Path snapshot = Files.createDirectories(cache.resolve("snapshots").resolve(TestHub.COMMIT));
        Files.createDirectories(cache.resolve("blobs"));
        for (String name : NEEDED) {
            String blob = TestHub.gitHash(hub.files.get(name));
            Files.write(cache.resolve("blobs").resolve(blob), hub.files.get(name));
            Files.createSymbolicLink(
                    snapshot.resolve(name), Path.of("../../blobs").resolve(blob));
        }
        Files.createDirectories(cache.resolve("refs"));
        Files.writeString(cache.resolve("refs/main"), TestHub.COMMIT);

        assertThat(models().cached(MODEL)).map(ModelHub.Snapshot::directory).contains(snapshot);
        environment.put("HF_HUB_OFFLINE", "1");
        assertThat(models().pull(MODEL).directory()).isEqualTo(snapshot);
        assertThat(hub.requests).isEmpty();

        Files.delete(cache.resolve("blobs").resolve(TestHub.gitHash(hub.files.get(TestHub.SECOND))));
        assertThat(models().cached(MODEL)).as("a link without its blob").isEmpty();
        assertThatThrownBy(() -> models().pull(MODEL))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("HF_HUB_OFFLINE", snapshot.toString(), "missing: " + TestHub.SECOND);
    }

    @Test
    void withoutTheHubTheCacheIsUsed() {
        models().pull(MODEL);
        hub.close();
        assertThat(models().pull(MODEL).directory()).isEqualTo(snapshot());
        assertThat(messages).singleElement().asString().contains("can't be reached", "downloaded before");
        environment.put("HF_HOME", home.resolve("empty").toString());
        assertThatThrownBy(() -> models().pull(MODEL))
                .hasMessageContainingAll(home.resolve("empty/hub").toString(), "HF_HOME", "missing: all", "refused");
        assertThat(pauses).hasSize(Retries.TRIES - 1);
    }

    @ParameterizedTest
    @ValueSource(ints = {401, 403})
    void aGatedModelNamesTheTokenAndThePage(int status) {
        hub.next(TestHub.LISTING, TestHub.status(status));
        assertThatThrownBy(() -> models().pull(MODEL))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll(hub.url() + "/test/tiny", "HF_TOKEN is set", "gated", "" + status)
                .hasMessageNotContaining(TOKEN);
        // gated models list their files, and refuse the weights
        hub.next(TestHub.SECOND, TestHub.status(status));
        assertThatThrownBy(() -> models().pull(MODEL))
                .hasMessageContainingAll("HF_TOKEN", "gated")
                .hasMessageNotContaining("SIGNATURE");
    }

    @Test
    void anAbsentModelOrRevisionIsNamed() {
        assertThatThrownBy(() -> models().pull(ModelReference.parse("hf:test/tiny@nope")))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("hf:test/tiny@nope", "404", "revision nope");
        assertThat(pauses).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"../config.json", "/etc/config.json", "a\\..\\config.json", "a/../../x", "config\n.json"})
    void namesThatLeadOutOfTheFolderAreRefused(String name) {
        hub.listed.put(name, 10L);
        assertThatThrownBy(() -> models().pull(MODEL))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("a relative path")
                .hasMessageNotContaining("\n");
        assertThat(home.resolve(".cache")).doesNotExist();
    }

    @Test
    void aSmallDiskIsFoundBeforeTheDownload() {
        hub.listed.put("model-00003-of-00003.safetensors", 1L << 60);
        assertThatThrownBy(() -> models().pull(MODEL))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("1152921504.61 GB", "are free", "HF_HUB_CACHE", home.toString());
        assertThat(hub.requests).hasSize(1);
    }

    @Test
    void aRepositoryWithoutACheckpointIsRefusedBeforeTheDownload() {
        hub.files.remove("tokenizer.json");
        hub.files.remove(TestHub.INDEX);
        assertThatThrownBy(() -> models().pull(MODEL))
                .hasMessageContainingAll("tokenizer.json", "model.safetensors or " + TestHub.INDEX);
        assertThat(hub.requests).hasSize(1);
    }

    @Test
    void aSingleFileOfWeightsMakesShardsNeedless() throws IOException {
        hub.files.put("model.safetensors", Files.readAllBytes(TestHub.GOLDEN.resolve("model.safetensors")));
        Path directory = models().pull(MODEL).directory();
        assertThat(names(directory)).contains("model.safetensors").doesNotContain(TestHub.FIRST, TestHub.SECOND);
    }

    @Test
    void aProxyOfTheEnvironmentIsUsed() {
        environment.put("HF_ENDPOINT", "http://hub.invalid");
        environment.put("http_proxy", "http://user:p%40ss@" + hub.host());
        String credentials = "Basic dXNlcjpwQHNz"; // user:p@ss
        hub.next(TestHub.LISTING, TestHub.status(407, "Proxy-Authenticate", "Basic realm=\"proxy\""));
        environment.put("NO_PROXY", "other.invalid, 127.0.0.1");
        models().pull(MODEL);
        assertThat(hub.requests)
                .element(1)
                .extracting(TestHub.Request::proxyAuthorization)
                .isEqualTo(credentials);
        assertThat(hub.requests)
                .filteredOn(TestHub.Request::cdn)
                .allSatisfy(request -> assertThat(request.proxyAuthorization()).isNull());

        environment.put("NO_PROXY", ".invalid");
        environment.put("HF_HOME", home.resolve("other").toString());
        assertThatThrownBy(() -> models().pull(MODEL)).hasMessageContaining("UnknownHostException");
        environment.put("http_proxy", "socks5://user:secret@127.0.0.1:1");
        assertThatThrownBy(() -> models().pull(MODEL))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("HTTP_PROXY")
                .hasMessageNotContaining("secret");
    }

    @Test
    void anUnusableEndpointIsRefusedWithoutRepeatingIt() {
        environment.put("HF_ENDPOINT", "https://user:secret@hub.invalid");
        assertThatThrownBy(() -> models().pull(MODEL))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("HF_ENDPOINT")
                .hasMessageNotContaining("secret");
    }
}
