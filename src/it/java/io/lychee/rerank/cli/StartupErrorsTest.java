package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a user gets wrong first: one message that says what to change, no stack trace, an exit code that is not 0. */
@Timeout(120)
class StartupErrorsTest {

    private static final String CHECKPOINT = "src/test/resources/golden/checkpoint";

    @TempDir
    private Path folder;

    @Test
    void aWrongCheckpointPath() throws Exception {
        Path input = Files.writeString(folder.resolve("in.jsonl"), "{}\n");

        Cli run = Cli.run(
                "rerank",
                "--checkpoint",
                folder.resolve("none").toString(),
                "--input",
                input.toString(),
                "--output",
                folder.resolve("out").toString());

        assertFails(run, 1, "none", "model.checkpoint");
    }

    @Test
    void aFolderThatIsNoCheckpoint() throws Exception {
        Path input = Files.writeString(folder.resolve("in.jsonl"), "{}\n");

        Cli run = Cli.run(
                "rerank",
                "--checkpoint",
                folder.toString(),
                "--input",
                input.toString(),
                "--output",
                folder.resolve("out").toString());

        assertFails(run, 1, folder.toString(), "model.checkpoint");
    }

    @Test
    void noCheckpointAtAll() {
        assertFails(Cli.run("job"), 1, "model.checkpoint is not set");
    }

    @Test
    void anUnknownKey() {
        assertFails(Cli.run("job", "-D", "image.max-pixel=5"), 1, "unknown key image.max-pixel", "image.max-pixels");
    }

    @Test
    void aWrongValue() {
        assertFails(
                Cli.run("job", "--checkpoint", CHECKPOINT, "-D", "list.max-candidates=0"),
                1,
                "list.max-candidates is 0; expected at least 1");
    }

    @Test
    void gpusOfAClusterInOneProcess() {
        for (String command : new String[] {"job", "up", "demo"}) {
            assertFails(
                    Cli.run(command, "--checkpoint", CHECKPOINT, "-D", "job.placement=gpu"),
                    1,
                    "job.placement is gpu",
                    "-D job.placement=any",
                    "model.device");
        }
    }

    @Test
    void aGpuWithoutCuda() throws Exception {
        Path input = Files.writeString(
                folder.resolve("in.jsonl"), "{\"request_id\":\"a\",\"query\":{\"text\":\"a\"},\"candidates\":[]}\n");
        for (String device : new String[] {"cuda", "cuda:1"}) {
            String out = folder.resolve("out-" + device).toString();
            assertFails(
                    Cli.run(
                            "rerank",
                            "--checkpoint",
                            CHECKPOINT,
                            "--input",
                            input.toString(),
                            "--output",
                            out,
                            "--device",
                            device),
                    1,
                    "model.device is " + device,
                    "PyTorch in ",
                    "is built for the CPU only",
                    "PYTORCH_LIBRARY_PATH",
                    "--device cpu");
        }
    }

    @Test
    void noBroker() {
        // nothing listens on the discard port of this machine
        assertFails(
                Cli.run("job", "--checkpoint", CHECKPOINT, "-D", "kafka.bootstrap-servers=127.0.0.1:9"),
                1,
                "127.0.0.1:9",
                "kafka.bootstrap-servers");
    }

    @Test
    void missingTopicsAreNamedWithTheCommandThatCreatesThem() {
        try (EmbeddedBroker broker = EmbeddedBroker.start()) {
            assertFails(
                    Cli.run(
                            "job",
                            "--checkpoint",
                            CHECKPOINT,
                            "-D",
                            "kafka.bootstrap-servers=" + broker.bootstrapServers()),
                    1,
                    "rerank.requests",
                    "rerank.dead-letters",
                    "kafka-topics.sh");
        }
    }

    @Test
    void aPortInUse() {
        try (EmbeddedBroker broker = EmbeddedBroker.start()) {
            String port = broker.bootstrapServers().replaceFirst(".*:", "");
            assertFails(Cli.run("demo", "--broker-port", port), 1, "port " + port, "--broker-port");
        }
    }

    @Test
    void noInput() {
        Cli run = Cli.run(
                "rerank",
                "--checkpoint",
                CHECKPOINT,
                "--input",
                folder.resolve("none").toString(),
                "--output",
                folder.resolve("out").toString());

        assertFails(run, 1, "none", "--input");
    }

    @Test
    void aTopicThatWouldNotBeReadAnew() {
        Cli run = Cli.run("rerank", "--checkpoint", "demo/checkpoint", "--from-topic", "--to-topic", "--restart");

        assertFails(run, 1, "kafka.starting-offsets COMMITTED", "expected earliest");
    }

    @Test
    void wrongUse() {
        assertThat(Cli.run().exitCode()).isEqualTo(2);
        assertThat(Cli.run("rerank").exitCode()).isEqualTo(2);
        assertThat(Cli.run("nonsense").exitCode()).isEqualTo(2);
    }

    @Test
    void helpEverywhere() {
        for (String command : new String[] {
            "", "demo", "up", "rerank", "job", "serve", "produce", "consume", "evaluate", "bench", "doctor"
        }) {
            Cli run = command.isEmpty() ? Cli.run("--help") : Cli.run(command, "--help");
            assertThat(run.exitCode()).as(command).isZero();
            assertThat(run.out()).as(command).contains("Usage: lychee");
        }
    }

    private static void assertFails(Cli run, int exitCode, String... told) {
        assertThat(run.exitCode()).as(run.err()).isEqualTo(exitCode);
        assertThat(run.err()).contains(told).doesNotContain("\tat ");
        assertThat(run.out()).isEmpty();
    }
}
