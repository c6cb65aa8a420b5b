package io.lychee.rerank.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A hub, and an empty home whose cache its model is pulled to. */
abstract class HuggingFaceFixture {

    static final String TOKEN = "hf_secret";
    static final ModelReference MODEL = ModelReference.parse("hf:test/tiny");

    final List<String> messages = new ArrayList<>();
    final List<Duration> pauses = new CopyOnWriteArrayList<>();
    Retries.Pause pause = pauses::add;
    final Map<String, String> environment = new HashMap<>();
    TestHub hub;
    long rangeBytes = Downloader.RANGE_BYTES;

    @TempDir
    Path home;

    @BeforeEach
    void start() throws IOException {
        hub = TestHub.golden();
        environment.putAll(Map.of("HOME", home.toString(), "HF_ENDPOINT", hub.url(), "HF_TOKEN", TOKEN));
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    ModelHub models() {
        return new ModelHub(environment, (done, total) -> {}, messages::add, rangeBytes, pause);
    }

    Path folder() {
        return home.resolve(".cache/huggingface/hub/models--test--tiny");
    }

    Path snapshot() {
        return folder().resolve("snapshots").resolve(TestHub.COMMIT);
    }

    static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}
