package io.lychee.rerank.cli;

import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The console as a person uses it, in a real browser; {@code target/console} keeps what it looked like. */
@Tag("full")
@Timeout(900)
class ConsoleTest {

    @TempDir
    private Path folder;

    @Test
    void whatAPersonDoesInABrowser() throws Exception {
        Path demo = Path.of("demo").toAbsolutePath();
        try (Up up = Up.start(folder.resolve("up.log"))) {
            NodeScript.run(
                    "console.test.mjs",
                    Map.of(
                            "url", up.url(),
                            "demo", demo.toString(),
                            "out", Path.of("target/console").toAbsolutePath().toString(),
                            "produce",
                                    ChildProcess.command("produce", "-D", "kafka.bootstrap-servers=" + up.broker())));
        }
    }
}
