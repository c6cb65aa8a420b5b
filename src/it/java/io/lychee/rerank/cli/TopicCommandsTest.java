package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.kafka.TopicAdmin;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** produce → job → consume, as a user types them. */
@Timeout(180)
class TopicCommandsTest {

    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path folder;

    @Test
    void listsGoInAndAnswersComeOut() throws Exception {
        try (EmbeddedBroker broker = EmbeddedBroker.start()) {
            Path conf = folder.resolve("rerank.properties");
            Path checkpoint = Path.of("src/test/resources/golden/checkpoint").toAbsolutePath();
            Files.writeString(
                    conf, """
                    kafka.bootstrap-servers=%s
                    model.checkpoint=%s
                    model.device=cpu
                    realtime.timeout=2 min
                    job.checkpoint-dir=%s
                    rules=strong: sales > 5 -> boost 2
                    """.formatted(broker.bootstrapServers(), checkpoint, folder.resolve("checkpoints")));
            RerankConfig config = RerankConfig.of(RerankConfig.merge(conf, Map.of(), Map.of()));
            new TopicAdmin(config.kafka(), Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(config.kafka()), 1);
            Path lists = folder.resolve("lists.jsonl");
            Files.write(
                    lists,
                    List.of(
                            "{\"request_id\":\"q1\",\"query\":{\"text\":\"red\"},\"candidates\":[{\"id\":\"a\",\"text\":\"red\"},"
                                    + "{\"id\":\"b\",\"text\":\"blue\",\"attributes\":{\"sales\":\"9\"}}]}",
                            "no list",
                            "{\"request_id\":\"q2\",\"query\":{\"text\":\"mug\"},\"candidates\":[]}"));

            Cli produced = Cli.run("produce", "--conf", conf.toString(), "--input", lists.toString());
            assertThat(produced.exitCode()).isEqualTo(1);
            assertThat(produced.err()).contains("lists.jsonl:2: ").contains("2 lists published, 1 refused");
            Cli avro = Cli.run(
                    "produce",
                    "--conf",
                    conf.toString(),
                    "--format",
                    "avro",
                    "--lane",
                    "backfill",
                    "--input",
                    onlyFirst(lists).toString());
            assertThat(avro.exitCode()).as(avro.err()).isZero();

            try (ChildProcess job = ChildProcess.start(folder.resolve("job.log"), "job", "--conf", conf.toString())) {
                Cli consumed = Cli.run("consume", "--conf", conf.toString(), "--max", "2");
                assertThat(consumed.exitCode()).as(job.output()).isZero();
                // in completion order
                JsonNode first = consumed.out()
                        .lines()
                        .map(TopicCommandsTest::json)
                        .filter(a -> a.get("request_id").asText().equals("q1"))
                        .findFirst()
                        .orElseThrow();
                assertThat(first.get("results").get(0).get("id").asText()).isEqualTo("b");
                assertThat(first.get("results").get(0).get("rules").get(0).asText())
                        .isEqualTo("strong");

                Cli backfill = Cli.run("consume", "--conf", conf.toString(), "--lane", "backfill", "--max", "1");
                assertThat(JSON.readTree(backfill.out()).get("status").asText()).isEqualTo("COMPLETE");
                assertThat(job.process().isAlive()).as(job.output()).isTrue();
            }
        }
    }

    private static JsonNode json(String line) {
        try {
            return JSON.readTree(line);
        } catch (JsonProcessingException e) {
            throw new AssertionError(line, e);
        }
    }

    private Path onlyFirst(Path lists) throws Exception {
        return Files.writeString(
                folder.resolve("first.jsonl"), Files.readAllLines(lists).get(0) + "\n");
    }
}
