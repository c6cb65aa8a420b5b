package io.lychee.rerank.job;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Reason;
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
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.flink.util.FileUtils;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs that were cut off after the job had ended, or late: nothing is answered twice, and nothing scored again. */
@Timeout(180)
class FinishedRunsTest {

    /** Enough for a checkpoint to lie between the first and the last. */
    private static final int LISTS = 40;

    @TempDir
    private Path folder;

    private final EmbeddedBroker broker = EmbeddedBroker.start();

    @AfterEach
    void stop() {
        broker.close();
    }

    /** Where topics are the output, parts lie in the current folder. */
    @AfterEach
    void deleteParts() throws IOException {
        try (Stream<Path> left = Files.list(Path.of(""))) {
            for (Path parts : left.filter(file ->
                            file.toString().contains("-of-" + broker.folder().getFileName()))
                    .toList()) {
                FileUtils.deleteDirectory(parts.toFile());
            }
        }
    }

    private RerankConfig config(String name) {
        RerankConfig config = RerankConfig.of(Map.of(
                "kafka.bootstrap-servers",
                broker.bootstrapServers(),
                "kafka.topic.backfill-results",
                name + "-of-" + broker.folder().getFileName(),
                "kafka.delivery-guarantee",
                "exactly-once",
                "job.checkpoint-interval",
                "200 ms",
                "model.checkpoint",
                "none"));
        new TopicAdmin(config.kafka(), Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(config.kafka()), 1);
        return config;
    }

    private static EngineFactory engines(String key) {
        return new TestingEngines(key, null);
    }

    /** The same command finds what an earlier one left between Flink's end and its own. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aFinishedRunIsOnlyCompletedAndTellsTheSame(boolean fromTopic) throws Exception {
        RerankConfig config = config("done");
        try (BackfillJob killed = job(config, fromTopic)) {
            begin(killed);
            assertThat(killed.isFinished()).isFalse();
            assertThat(score(killed, engines("done")).answers()).isEqualTo(LISTS);
        }
        BackfillJob.Result result = complete(config, fromTopic);
        assertThat(result.answered()).isEqualTo(LISTS);
        assertThat(result.deadLetters()).isZero();
        assertThat(result.tally().candidates()).isEqualTo(2 * LISTS);
        assertThat(result.tally().rejected()).containsExactly(Map.entry(Reason.EMPTY, (long) LISTS));
        assertEachAnsweredOnce(config);
    }

    /** A job that goes on from a checkpoint leaves it lying there, and has finished all the same. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void soIsOneThatWentOnFromACheckpoint(boolean fromTopic) throws Exception {
        RerankConfig config = config("resumed");
        try (BackfillJob failed = job(config, fromTopic)) {
            begin(failed);
            assertThatThrownBy(() -> score(
                            failed, new TestingEngines("failed", failed.parts().toString())))
                    .isInstanceOf(IllegalStateException.class);
            assertThat(checkpointIn(failed.parts())).isTrue();
        }
        try (BackfillJob killed = job(config, fromTopic)) {
            begin(killed);
            assertThat(killed.isFinished()).isFalse();
            assertThat(score(killed, engines("resumed")).answers()).isEqualTo(LISTS);
            assertThat(checkpointIn(killed.parts()))
                    .as("the one it went on from")
                    .isTrue();
        }
        assertThat(complete(config, fromTopic).tally().rejected())
                .as("counted by both")
                .containsExactly(Map.entry(Reason.EMPTY, (long) LISTS));
        assertEachAnsweredOnce(config);
    }

    @Test
    void offsetsOfAGroupInUseAreCommittedByTheSameCommandLater() throws Exception {
        RerankConfig config = config("used");
        try (BackfillJob job = job(config, true);
                KafkaConsumer<byte[], byte[]> member = consumer(Map.of(
                        "bootstrap.servers",
                        broker.bootstrapServers(),
                        "group.id",
                        config.kafka().groupId()))) {
            member.subscribe(List.of(config.kafka().requestsTopic()));
            while (member.assignment().isEmpty()) {
                var unused = member.poll(Duration.ofMillis(100));
            }
            begin(job);
            score(job, engines("used"));
            assertThatThrownBy(job::complete)
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("could not be committed for the group "
                            + config.kafka().groupId())
                    .hasMessageContaining("give the same command again");
        }
        assertThat(complete(config, true).answered()).isEqualTo(LISTS);
        assertEachAnsweredOnce(config);
        assertThat(new TopicAdmin(config.kafka(), Duration.ofSeconds(30))
                        .waiting(config.kafka().backfillTopic()))
                .isZero();
    }

    private BackfillJob job(RerankConfig config, boolean fromTopic) throws Exception {
        List<String> lines = IntStream.range(0, LISTS)
                .mapToObj(i -> "{\"request_id\":\"q" + i + "\",\"query\":{\"text\":\"red\"},\"candidates\":["
                        + "{\"id\":\"a\",\"text\":\"mug\"},{\"id\":\"b\"}]}")
                .toList();
        if (!fromTopic) {
            Path input = folder.resolve("lists.jsonl");
            if (!Files.exists(input)) {
                Files.write(input, lines);
            }
            return new BackfillJob(config, List.of(input), null);
        }
        if (new TopicAdmin(config.kafka(), Duration.ofSeconds(30))
                        .waiting(config.kafka().backfillTopic())
                == 0) {
            try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
                    Map.of("bootstrap.servers", broker.bootstrapServers()),
                    new ByteArraySerializer(),
                    new ByteArraySerializer())) {
                for (String line : lines) {
                    producer.send(new ProducerRecord<>(config.kafka().backfillTopic(), line.getBytes(UTF_8)))
                            .get();
                }
            }
        }
        return new BackfillJob(config, List.of(), null);
    }

    private static void begin(BackfillJob job) throws IOException {
        var unused = job.begin(false);
        assertThat(job.total()).isPositive();
    }

    private static Tally score(BackfillJob job, EngineFactory engines) throws IOException {
        return job.run(engines, () -> {});
    }

    /** Without an engine, because nothing is left to score. */
    private BackfillJob.Result complete(RerankConfig config, boolean fromTopic) throws Exception {
        List<Path> inputs = fromTopic ? List.of() : List.of(folder.resolve("lists.jsonl"));
        try (BackfillJob same = new BackfillJob(config, inputs, null)) {
            begin(same);
            assertThat(same.isFinished()).isTrue();
            BackfillJob.Result result = same.complete();
            assertThat(same.parts()).doesNotExist();
            return result;
        }
    }

    private static boolean checkpointIn(Path parts) {
        try (Stream<Path> files = Files.walk(parts.resolve("checkpoints"))) {
            return files.anyMatch(file -> file.endsWith("_metadata"));
        } catch (IOException | UncheckedIOException e) {
            return false;
        }
    }

    private static KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> settings) {
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private void assertEachAnsweredOnce(RerankConfig config) {
        List<String> ids = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer =
                consumer(Map.of("bootstrap.servers", broker.bootstrapServers(), "isolation.level", "read_committed"))) {
            TopicPartition results = new TopicPartition(config.kafka().backfillResultsTopic(), 0);
            consumer.assign(List.of(results));
            long end = consumer.endOffsets(List.of(results)).get(results);
            consumer.seekToBeginning(List.of(results));
            while (consumer.position(results) < end) {
                consumer.poll(Duration.ofMillis(200)).forEach(record -> ids.add(new String(record.key(), UTF_8)));
            }
        }
        assertThat(ids)
                .containsExactlyInAnyOrderElementsOf(
                        IntStream.range(0, LISTS).mapToObj(i -> "q" + i).toList());
    }

    /** @param failing parts of a run: fails at the first pass after a checkpoint there; null never */
    private record TestingEngines(String key, @Nullable String failing) implements EngineFactory {

        @Override
        public EngineRegistry.Lease lease(List<Integer> gpus) {
            Scorer scorer = new TestingScorer();
            return EngineRegistry.lease(
                    new EngineRegistry.Key(key, ""),
                    List.of("cpu"),
                    device -> new Engine(
                            new TestingEncoder(),
                            failing == null ? scorer : new FailingScorer(scorer, Path.of(failing)),
                            Lists.settings(60),
                            Ticker.system(),
                            error -> {}),
                    Duration.ZERO);
        }
    }

    private static final class FailingScorer implements ForwardingScorer {

        private final Scorer scorer;
        private final Path parts;
        private boolean scored;

        FailingScorer(Scorer scorer, Path parts) {
            this.scorer = scorer;
            this.parts = parts;
        }

        @Override
        public Scorer scorer() {
            return scorer;
        }

        @Override
        public PassHandle start(Pass pass) {
            if (!scored) {
                scored = true;
                return scorer.start(pass);
            }
            while (!checkpointIn(parts)) {
                LockSupport.parkNanos(1_000_000);
            }
            throw new IllegalStateException("a device that fails");
        }
    }
}
