package io.lychee.rerank.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The console as a person uses it, in a real browser; {@code target/console} keeps what it looked like. */
@Tag("full")
@Timeout(1800)
class ConsoleTest {

    private static final String KEY = "a-key;with=odd%20signs";

    @TempDir
    private Path folder;

    @Test
    void whatAPersonDoesInABrowser() throws Exception {
        Path demo = Path.of("demo").toAbsolutePath();
        try (Up up = Up.start(folder.resolve("up.log"))) {
            String broker = "kafka.bootstrap-servers=" + up.broker();
            Map<String, Object> given = new HashMap<>(Map.of(
                    "url", up.url(),
                    "demo", demo.toString(),
                    "out", Path.of("target/console").toAbsolutePath().toString(),
                    "produce", ChildProcess.command("produce", "-D", broker),
                    "evaluate", ChildProcess.command("evaluate")));
            NodeScript.run("console.test.mjs", given);
            NodeScript.run("batch.test.mjs", given);
            NodeScript.run("pages.test.mjs", given);

            Path list = Files.writeString(folder.resolve("list.jsonl"), pictured(demo.resolve("lists.jsonl")));
            Path keys = Files.writeString(folder.resolve("keys"), KEY);
            try (ChildProcess serve = ChildProcess.start(
                    folder.resolve("serve.log"),
                    "serve",
                    "--port=0",
                    "-Dgateway.api-key=file:" + keys,
                    "-Dimage.roots=" + demo,
                    "-Dmodel.checkpoint=" + demo.resolve("checkpoint"),
                    "-D" + broker)) {
                given.putAll(Map.of("url", serve.await(Up.URL), "key", KEY, "list", list.toString()));
                NodeScript.run("key.test.mjs", given);
            }
        }
    }

    private static String pictured(Path lists) throws IOException {
        try (Stream<String> lines = Files.lines(lists)) {
            return lines.filter(line -> line.contains("file:")).findFirst().orElseThrow();
        }
    }
}
