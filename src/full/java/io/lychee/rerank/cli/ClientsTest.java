package io.lychee.rerank.cli;

import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What others wrote for other rerankers reranks the demo shop here. */
@Tag("full")
@Timeout(900)
class ClientsTest {

    @TempDir
    private Path folder;

    @Test
    void clientsOfOtherRerankers() throws Exception {
        try (Up up = Up.start(folder.resolve("up.log"))) {
            NodeScript.run(
                    "clients.test.mjs",
                    Map.of(
                            "url",
                            up.url(),
                            "demo",
                            Path.of("demo").toAbsolutePath().toString()));
        }
    }
}
