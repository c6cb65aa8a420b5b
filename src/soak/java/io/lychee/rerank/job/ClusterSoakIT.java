package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.RerankConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

/** A cluster without high availability: the job is submitted again without a savepoint after all of it was killed. */
@Tag("soak")
@Timeout(2400)
class ClusterSoakIT {

    private static final int KILLS = 20;
    private static final int CANCELS = 5;
    private static final int CAPACITY = 16;

    @TempDir(cleanup = CleanupMode.ON_SUCCESS)
    private Path folder;

    private final EmbeddedBroker broker = EmbeddedBroker.start();
    private final Random random = new Random(seed());

    private static long seed() {
        long seed = System.nanoTime();
        System.out.println("ClusterSoakIT, seed " + seed);
        return seed;
    }

    @AfterEach
    void stop() {
        broker.close();
    }

    @Test
    void aJobSubmittedAgainWithoutSavepointLosesNothing() throws Exception {
        Map<String, String> keys = keys("at-least-once");
        try (Traffic traffic = new Traffic(RerankConfig.of(keys).kafka())) {
            long mayRepeat = 0;
            for (int i = 0; i < KILLS + CANCELS; i++) {
                Path round = Files.createDirectories(folder.resolve("round-" + i));
                try (NativeCluster cluster = new NativeCluster(round)) {
                    Path home = cluster.configure(cluster.home("flink"), "common.yaml", "cpu.yaml");
                    Process unused = cluster.jobManager(home);
                    Process taskManager = cluster.taskManager("tm", home);
                    submit(cluster, home, keys);
                    traffic.answered(
                            5 + random.nextInt(60),
                            () -> assertThat(taskManager.isAlive()).isTrue());
                    if (i >= KILLS) {
                        cluster.cancel(cluster.rest("/jobs")
                                .path("jobs")
                                .get(0)
                                .path("id")
                                .asText());
                    }
                }
                mayRepeat += traffic.answeredAboveCommitted() + CAPACITY;
                System.out.printf("round %d: %s of at most %d%n", i, traffic, mayRepeat);
            }
            try (NativeCluster cluster = new NativeCluster(folder)) {
                Path home = cluster.configure(cluster.home("flink"), "common.yaml", "cpu.yaml");
                Process unused = cluster.jobManager(home);
                Process taskManager = cluster.taskManager("tm", home);
                submit(cluster, home, keys);
                traffic.allAnswered(() -> assertThat(taskManager.isAlive()).isTrue());
            }
            assertThat((long) traffic.repeats()).isLessThanOrEqualTo(mayRepeat);
        }
    }

    /** Then answers could come twice, so it is for a person to say. */
    @Test
    void exactlyOnceSubmittedAgainWithoutSavepointIsRefused() throws Exception {
        Map<String, String> keys = keys("exactly-once");
        try (Traffic traffic = new Traffic(RerankConfig.of(keys).kafka());
                NativeCluster cluster = new NativeCluster(folder)) {
            Path home = cluster.configure(cluster.home("flink"), "common.yaml", "cpu.yaml");
            Process unused = cluster.jobManager(home);
            Process taskManager = cluster.taskManager("tm", home);
            submit(cluster, home, keys);
            traffic.answered(20, () -> assertThat(taskManager.isAlive()).isTrue());
            cluster.cancel(cluster.rest("/jobs").path("jobs").get(0).path("id").asText());

            assertThat(cluster.run(home, List.of(), arguments(keys))).isNotZero();
            assertThat(Files.readString(cluster.log("submit"))).contains("this start has no checkpoint");
            for (JsonNode job : cluster.rest("/jobs").path("jobs")) {
                assertThat(job.path("status").asText()).isNotEqualTo("RUNNING");
            }
        }
    }

    private static void submit(NativeCluster cluster, Path home, Map<String, String> keys) throws Exception {
        assertThat(cluster.run(home, List.of("-d"), arguments(keys)))
                .as(Files.readString(cluster.log("submit")))
                .isZero();
    }

    private Map<String, String> keys(String delivery) {
        return new HashMap<>(Map.of(
                "kafka.bootstrap-servers",
                broker.bootstrapServers(),
                "kafka.delivery-guarantee",
                delivery,
                "model.checkpoint",
                Path.of("src/test/resources/golden/checkpoint").toAbsolutePath().toString(),
                "model.device",
                "cpu",
                "realtime.timeout",
                "0 s",
                "realtime.capacity",
                Integer.toString(CAPACITY),
                "job.checkpoint-interval",
                "1 s"));
    }

    private static List<String> arguments(Map<String, String> keys) {
        List<String> arguments = new ArrayList<>();
        keys.forEach((key, value) -> arguments.addAll(List.of("-D", key + "=" + value)));
        return arguments;
    }
}
