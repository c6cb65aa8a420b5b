package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.kafka.TopicAdmin;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code ./lychee rerank} from and to topics of a real broker: what lies there when it starts, and then it ends. */
@Timeout(300)
class BoundedTopicTest {

    private static final int LISTS = 40;

    private final EmbeddedBroker broker = EmbeddedBroker.start();

    @TempDir
    private Path folder;

    private Path conf;

    @BeforeEach
    void createTopics() throws Exception {
        conf = Files.writeString(folder.resolve("rerank.properties"), """
                        kafka.bootstrap-servers=%s
                        kafka.topic.backfill-results=results-of-%s
                        kafka.delivery-guarantee=exactly-once
                        model.checkpoint=%s
                        model.device=cpu
                        """.formatted(
                        broker.bootstrapServers(),
                        broker.folder().getFileName(),
                        Path.of("src/test/resources/golden/checkpoint").toAbsolutePath()));
        RerankConfig config = RerankConfig.of(RerankConfig.merge(conf, Map.of(), Map.of()));
        new TopicAdmin(config.kafka(), Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(config.kafka()), 2);
    }

    @AfterEach
    void stop() {
        broker.close();
    }

    @Test
    void aTopicIsRerankedUpToItsEndAndGoesOnThereTheNextTime() throws Exception {
        produce(0);
        Cli toTopic = rerank("--from-topic", "--to-topic");
        assertThat(toTopic.exitCode()).as(toTopic.err()).isZero();
        assertThat(toTopic.err()).contains(LISTS + " lists reranked").contains(LISTS + " of " + LISTS + " lists, ");
        Cli consumed =
                Cli.run("consume", "--conf", conf.toString(), "--lane", "backfill", "--max", String.valueOf(LISTS));
        assertThat(ids(consumed.out().lines().toList())).isEqualTo(expected(0));

        produce(LISTS);
        Path output = folder.resolve("out.jsonl");
        Cli toFile = rerank("--from-topic", "--output", output.toString());
        assertThat(toFile.exitCode()).as(toFile.err()).isZero();
        assertThat(ids(Files.readAllLines(output))).as("what came since").isEqualTo(expected(LISTS));
    }

    @Test
    void filesGoToTopics() throws Exception {
        Path input = lists(0);
        Files.write(input, List.of("no list"), java.nio.file.StandardOpenOption.APPEND);

        Cli run = rerank("--input", input.toString(), "--to-topic");

        assertThat(run.exitCode()).as(run.err()).isEqualTo(1);
        assertThat(run.err()).contains(LISTS + " lists reranked").contains("1 records could not be read");
        Cli dead = Cli.run("consume", "--conf", conf.toString(), "--dead-letters", "--max", "1");
        assertThat(dead.out()).contains("\"offset\":" + LISTS);
        Cli consumed =
                Cli.run("consume", "--conf", conf.toString(), "--lane", "backfill", "--max", String.valueOf(LISTS));
        assertThat(ids(consumed.out().lines().toList())).isEqualTo(expected(0));
    }

    /** Wherever in its end the kill hits, before Flink has dropped the checkpoints or after. */
    @Test
    void whatIsKilledAtItsEndIsCompletedAndAnswersOnce() throws Exception {
        Path input = lists(0);
        Path parts = Path.of("results-of-" + broker.folder().getFileName() + ".parts");
        List<String> command = List.of("rerank", "--conf", conf.toString(), "--input", input.toString(), "--to-topic");
        try (ChildProcess killed = ChildProcess.start(folder.resolve("killed.log"), command.toArray(String[]::new))) {
            Path state = parts.resolve("run.json");
            while (!Files.exists(state) || !Files.readString(state).contains("\"ended\"")) {
                assertThat(killed.process().waitFor(1, TimeUnit.MILLISECONDS))
                        .as("it ended before it could be killed: %s", killed.output())
                        .isFalse();
            }
        }

        Cli completed = Cli.run(command.toArray(String[]::new));

        assertThat(completed.exitCode()).as(completed.err()).isZero();
        assertThat(completed.err()).contains(LISTS + " lists reranked");
        assertThat(parts).doesNotExist();
        Cli consumed = Cli.run("consume", "--conf", conf.toString(), "--lane", "backfill", "--idle", "5");
        assertThat(ids(consumed.out().lines().toList())).isEqualTo(expected(0));
    }

    private Cli rerank(String... fromAndTo) {
        List<String> args = new ArrayList<>(List.of("rerank", "--conf", conf.toString()));
        args.addAll(List.of(fromAndTo));
        return Cli.run(args.toArray(String[]::new));
    }

    private void produce(int first) throws Exception {
        Cli produced = Cli.run(
                "produce",
                "--conf",
                conf.toString(),
                "--lane",
                "backfill",
                "--input",
                lists(first).toString());
        assertThat(produced.exitCode()).as(produced.err()).isZero();
    }

    private Path lists(int first) throws Exception {
        return Files.write(
                folder.resolve("lists.jsonl"),
                IntStream.range(first, first + LISTS)
                        .mapToObj(i -> "{\"request_id\":\"q" + i + "\",\"query\":{\"text\":\"red\"},\"candidates\":["
                                + "{\"id\":\"a\",\"text\":\"red dress\"},{\"id\":\"b\",\"text\":\"mug\"}]}")
                        .toList());
    }

    private static List<String> expected(int first) {
        return IntStream.range(first, first + LISTS)
                .mapToObj(i -> "q" + i)
                .sorted()
                .toList();
    }

    private static List<String> ids(List<String> answers) {
        return answers.stream()
                .map(answer -> answer.replaceAll(".*\"request_id\":\"([^\"]*)\".*", "$1"))
                .sorted()
                .toList();
    }
}
