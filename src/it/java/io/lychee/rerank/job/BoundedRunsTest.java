package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineFactory;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.scoring.ForwardingScorer;
import io.lychee.rerank.scoring.Lists;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.PassHandle;
import io.lychee.rerank.scoring.Scorer;
import io.lychee.rerank.scoring.TestingEncoder;
import io.lychee.rerank.scoring.TestingScorer;
import io.lychee.rerank.scoring.Ticker;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Runs that end, at once and of one group, to topics of a real broker. */
@Timeout(120)
class BoundedRunsTest {

    private static final CountDownLatch HELD = new CountDownLatch(1);
    private static final CountDownLatch RELEASED = new CountDownLatch(1);

    @TempDir
    private Path folder;

    private final EmbeddedBroker broker = EmbeddedBroker.start();

    @AfterEach
    void stop() {
        RELEASED.countDown();
        broker.close();
    }

    @Test
    void twoDoNotFenceEachOtherAndBothTellTheirMetrics() throws Exception {
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        var slow = CompletableFuture.supplyAsync(() -> run(config("slow", port), new HeldEngines("slow", true)));
        // or it failed before
        CompletableFuture.anyOf(slow, CompletableFuture.runAsync(BoundedRunsTest::awaitHeld))
                .join();
        HttpRequest metrics = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/metrics"))
                .build();
        assertThat(HttpClient.newHttpClient()
                        .send(metrics, HttpResponse.BodyHandlers.ofString())
                        .body())
                .contains("lychee_");
        assertThatThrownBy(() -> run(config("fast", port), new HeldEngines("fast", false)))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("metrics.port is " + port + ", which can't be used");

        assertThat(run(config("fast", 0), new HeldEngines("fast", false)).answered())
                .isEqualTo(1);

        RELEASED.countDown();
        assertThat(slow.join().answered()).isEqualTo(1);
    }

    private static void awaitHeld() {
        try {
            HELD.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** To topics of its own, since two to one topic share their parts. */
    private RerankConfig config(String name, int metricsPort) {
        RerankConfig config = RerankConfig.of(Map.of(
                "kafka.bootstrap-servers",
                broker.bootstrapServers(),
                "kafka.topic.backfill-results",
                name + "-of-" + broker.folder().getFileName(),
                "kafka.delivery-guarantee",
                "exactly-once",
                "job.checkpoint-interval",
                "200 ms",
                "metrics.port",
                Integer.toString(metricsPort),
                "model.checkpoint",
                "none"));
        new TopicAdmin(config.kafka(), Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(config.kafka()), 1);
        return config;
    }

    private BackfillJob.Result run(RerankConfig config, EngineFactory engines) {
        try {
            Path input = folder.resolve("lists.jsonl");
            if (!Files.exists(input)) {
                Files.writeString(
                        input,
                        "{\"request_id\":\"q\",\"query\":{\"text\":\"red\"},\"candidates\":[{\"id\":\"a\",\"text\":\"mug\"}]}");
            }
            try (BackfillJob job = new BackfillJob(config, List.of(input), null)) {
                var unused = job.begin(false);
                assertThat(job.run(engines, () -> {}).answers()).isEqualTo(1);
                return job.complete();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private record HeldEngines(String key, boolean held) implements EngineFactory {

        @Override
        public EngineRegistry.Lease lease(List<Integer> gpus) {
            Scorer scorer = new TestingScorer();
            return EngineRegistry.lease(
                    new EngineRegistry.Key(key, ""),
                    List.of("cpu"),
                    device -> new Engine(
                            new TestingEncoder(),
                            held ? new HeldScorer(scorer) : scorer,
                            Lists.settings(60),
                            Ticker.system(),
                            error -> {}),
                    Duration.ZERO);
        }
    }

    private record HeldScorer(Scorer scorer) implements ForwardingScorer {

        @Override
        public PassHandle start(Pass pass) {
            HELD.countDown();
            try {
                RELEASED.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            return scorer.start(pass);
        }
    }
}
