package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.config.Delivery;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.job.Traffic;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Pattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

/** The runbook of docs/operations.md: its commands as they stand there, typed into one shell, while lists come in. */
@Tag("full")
@Timeout(900)
class OperationsTest {

    private static final int LISTS = 40;
    private static final Pattern READS = Pattern.compile("reranking (\\S+) and");

    @TempDir(cleanup = CleanupMode.ON_SUCCESS)
    private Path folder;

    private final EmbeddedBroker broker = EmbeddedBroker.start();
    private final Readme page = new Readme(Files.readString(Path.of("docs/operations.md")));
    private Shell shell;

    OperationsTest() throws IOException {}

    /** Two versions, of which the second is a tarball yet; they hold the same build. */
    @BeforeEach
    void prepare() throws Exception {
        shell = new Shell(folder);
        for (String version : List.of("1", "2")) {
            LauncherTest.checkout(Files.createDirectory(folder.resolve("lychee-rerank-" + version)));
        }
        shell.run("tar -czf lychee-rerank-2.tar.gz lychee-rerank-2 && rm -r lychee-rerank-2");
        shell.run("VERSION=1 OLD=1 NEW=2");
    }

    @AfterEach
    void stop() {
        shell.close();
        broker.close();
    }

    @Test
    void aJobIsUpgradedRolledBackRescaledAndLosesItsFolder() throws Exception {
        try (Traffic traffic = traffic(Delivery.AT_LEAST_ONCE)) {
            start();
            answered(traffic);
            drain();
            shell.run(block("Upgrade", 0), "The job would start.");
            shell.run("VERSION=2");
            start();
            answered(traffic);
            drain();
            traffic.pollAll();
            int repeats = traffic.repeats();
            shell.run(block("Roll back", 0));
            assertThat(folder.resolve("lychee").toRealPath()).isEqualTo(folder.resolve("lychee-rerank-1/lychee"));
            start(block("Roll back", 1));
            answered(traffic);
            drain();
            traffic.pollAll();
            assertThat(traffic.repeats()).as("after a drain, from the offsets").isEqualTo(repeats);

            shell.run(block("Rescale", 0));
            shell.run("VERSION=1");
            start();
            assertThat(log()).contains("job.parallelism=2");
            answered(traffic);

            poison();
            answered(traffic);

            kill();
            shell.run("rm -r *.checkpoints");
            start();
            answered(traffic);
            traffic.allAnswered(this::requireAlive);
            System.out.println(traffic);
        }
    }

    @Test
    void exactlyOnceGoesOnWithoutItsFolderWhereRepeatsAreAccepted() throws Exception {
        try (Traffic traffic = traffic(Delivery.EXACTLY_ONCE)) {
            start();
            answered(traffic);
            kill();
            shell.run("rm -r *.checkpoints");
            shell.run(block("Start", 0));
            shell.run("wait \"$(cat job.pid)\" || test $? -eq 1");
            assertThat(log()).contains("kafka.exactly-once-from-offsets");
            start(block("Checkpoint folder lost", 0));
            traffic.allAnswered(this::requireAlive);
        }
    }

    /** A process that may not make a file longer stands for a disk that is full: it needs no privileges. */
    @Test
    void aFullDiskLosesNothing() throws Exception {
        try (Traffic traffic = traffic(Delivery.AT_LEAST_ONCE)) {
            shell.run("mkfifo job.log; cat job.log >> seen.log &"); // a log of its own disk
            shell.run(block("Start", 0));
            answered(traffic);
            shell.run("prlimit --fsize=0: --pid \"$(cat job.pid)\"");
            answered(traffic);
            Path log = folder.resolve("seen.log");
            await(log, Pattern.compile("(?s)(Failed to trigger or complete checkpoint).*File too large"));
            shell.run(block("Full disk", 0), "lychee-rerank.checkpoints");
            shell.run("prlimit --fsize=unlimited: --pid \"$(cat job.pid)\"");
            answered(traffic);
            // exit code 0: all is answered and committed, by a checkpoint
            shell.run("kill -TERM \"$(cat job.pid)\"; wait \"$(cat job.pid)\" && wait");
            assertThat(Files.readString(log)).contains("every list that was taken is answered");
            start();
            traffic.allAnswered(this::requireAlive);
        }
    }

    @Test
    void aProcessThatLostItsCardIsStartedAgain() throws Exception {
        Path ends = folder.resolve("lychee");
        Files.writeString(ends, "#!/bin/sh\necho \"$@\" >> started\ntest $(wc -l < started) -eq 3 || exit 70\n");
        assertThat(ends.toFile().setExecutable(true)).isTrue();
        shell.run("sleep() { true; }");
        shell.run(block("Card lost", 0));
        assertThat(Files.readAllLines(folder.resolve("started"))).hasSize(3).containsOnly("job --conf my.properties");
    }

    @Test
    void everyCommandOfTheRunbookIsRun() throws IOException {
        String test = Files.readString(Path.of("src/full/java/io/lychee/rerank/cli/OperationsTest.java"));
        String runbook = page.text().substring(page.text().indexOf("\n## Runbook"));
        List<String> left = new ArrayList<>();
        Pattern.compile("(?m)^### (.+)$").matcher(runbook).results().forEach(heading -> {
            String section = heading.group(1);
            for (int i = 0; i < page.blocks(section).size(); i++) {
                if (!test.contains("block(\"" + section + "\", " + i + ")")) {
                    left.add(page.blocks(section).get(i));
                }
            }
        });
        assertThat(left).singleElement().asString().startsWith("kafka-consumer-groups.sh");
    }

    private void poison() throws Exception {
        Map<String, Object> client = Map.of("bootstrap.servers", broker.bootstrapServers());
        try (var producer = new KafkaProducer<>(client, new ByteArraySerializer(), new ByteArraySerializer())) {
            var unused = producer.send(new ProducerRecord<>("rerank.requests", 0, null, new byte[] {1, 2, 3}))
                    .get();
        }
        Path log = folder.resolve("dead-letters.log");
        shell.run(block("Poison record", 0).strip() + " > dead-letters.log & consumer=$!");
        await(log, Pattern.compile("(\"source\":\"rerank.requests\")"));
        shell.run("kill $consumer");
    }

    private Traffic traffic(Delivery delivery) throws IOException {
        Path conf = Files.writeString(
                folder.resolve("my.properties"),
                """
                kafka.bootstrap-servers=%s
                kafka.delivery-guarantee=%s
                model.checkpoint=%s
                model.device=cpu
                realtime.timeout=0 s
                realtime.capacity=16
                job.checkpoint-interval=1 s
                job.drain-timeout=3 min
                """.formatted(
                                broker.bootstrapServers(),
                                delivery,
                                Path.of("src/test/resources/golden/checkpoint").toAbsolutePath()),
                StandardOpenOption.CREATE);
        return new Traffic(
                RerankConfig.of(RerankConfig.merge(conf, Map.of(), Map.of())).kafka());
    }

    private String block(String section, int number) {
        return page.blocks(section).get(number);
    }

    private void start() throws Exception {
        start(block("Start", 0));
    }

    private void start(String lines) throws Exception {
        Files.deleteIfExists(folder.resolve("job.log")); // an earlier process's
        shell.run(lines);
        await(folder.resolve("job.log"), READS);
    }

    private void drain() throws Exception {
        // the log first: where the line is missing, it says why
        shell.run(block("Drain", 0).replace("grep ", "cat job.log; grep "), "every list that was taken is answered");
    }

    private void kill() throws Exception {
        shell.run("kill -9 \"$(cat job.pid)\"; wait \"$(cat job.pid)\" || true");
    }

    private void answered(Traffic traffic) throws Exception {
        traffic.pollAll(); // of an earlier process
        traffic.answered(LISTS, this::requireAlive);
    }

    private void requireAlive() {
        assertThat(shell.jobs()).as("jobs of the shell").isPositive();
    }

    private void await(Path log, Pattern line) throws IOException {
        while (Files.notExists(log) || !line.matcher(Files.readString(log)).find()) {
            requireAlive();
            LockSupport.parkNanos(20_000_000);
        }
    }

    private String log() throws IOException {
        return Files.readString(folder.resolve("job.log"));
    }
}
