package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.cli.Main;
import io.lychee.rerank.sql.SqlPage;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

/** Flink's SQL client, with the statements of docs/sql.md, on a cluster with what {@code mvn package} made. */
@Tag("full")
@Timeout(1800)
class SqlClusterIT {

    private static final int LISTS = Integer.getInteger("lychee.full.lists", 1000);
    private static final int CANDIDATES = 5;
    private static final int PARTITIONS = 4;
    private static final double TOLERANCE = 1e-4;
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir(cleanup = CleanupMode.ON_SUCCESS)
    private Path folder;

    private final EmbeddedBroker broker = EmbeddedBroker.start();
    private NativeCluster cluster;
    private Path home;

    /** Scores by list, then by candidate. */
    private final Map<String, Map<String, Double>> scores = new HashMap<>();

    @BeforeEach
    void install() throws Exception {
        cluster = new NativeCluster(folder);
        home = cluster.configure(cluster.sqlHome("flink"), "common.yaml", "cpu.yaml");
        try (Admin admin = Admin.create(client())) {
            var topics = List.of(new NewTopic("lists", PARTITIONS, (short) 1), new NewTopic("reranked", 1, (short) 1));
            admin.createTopics(topics).all().get();
        }
        cluster.jobManager(home);
    }

    @AfterEach
    void stop() {
        cluster.close();
        broker.close();
    }

    @Test
    void scoresAreThoseOfRerankAndAKillLosesNothing() throws Exception {
        List<ObjectNode> lists = lists();
        double rerank = rerank(lists);
        List<Process> taskManagers = List.of(taskManager("tm1"), taskManager("tm2"));
        send(lists, 0);
        submit();
        double sql = answered(0, () -> {});
        metricCountsAllLists();
        // the same again, under other names: nothing is known of them
        send(lists, 1);
        answered(1, () -> {
            ClusterProcesses.kill(taskManagers.get(0));
            taskManager("tm3");
        });

        System.out.printf(
                "%d lists of %d pictures: ./lychee rerank %.1f lists/s, ML_PREDICT on two task managers %.1f lists/s%n",
                LISTS, CANDIDATES, rerank, sql);
        assertThat(Files.readString(cluster.log("tm2"))).contains("is ready on cpu");
        assertThat(Files.readString(cluster.log("tm3"))).contains("is ready on cpu");
    }

    @Test
    void theClientShowsOneMessage() throws Exception {
        taskManager("tm1");
        List<String> page = new ArrayList<>();
        for (String statement : SqlPage.statements()) {
            page.add(SqlPage.here(statement, broker.bootstrapServers()));
        }
        String model = page.get(0);
        // waits for the job
        String rest = ";\nSET 'table.dml-sync' = 'true';\n" + String.join(";\n", page.subList(1, 4)) + ";\n";
        says(
                model.replace("score DOUBLE", "score FLOAT") + rest,
                "ConfigException: OUTPUT has the column score FLOAT; expected some of id STRING, rank INT,");
        says(
                model.replaceAll("'model.checkpoint' = '[^']*',", "") + rest,
                "ConfigException: model.checkpoint is not set; it has no default");
        says(
                model.replace("demo/checkpoint", "none") + rest,
                "ConfigException: model.checkpoint is " + Path.of("none").toAbsolutePath() + ": no directory");
    }

    private void says(String statements, String message) throws Exception {
        Files.deleteIfExists(cluster.log("sql"));
        cluster.sql(home, statements);
        assertThat(Files.readString(cluster.log("sql"))).contains("[ERROR]", message);
    }

    private Process taskManager(String name) throws Exception {
        return cluster.taskManager(name, home, "taskmanager.numberOfTaskSlots=1");
    }

    private void submit() throws Exception {
        StringBuilder session = new StringBuilder("""
                SET 'execution.checkpointing.interval' = '2 s';
                SET 'parallelism.default' = '2';
                """);
        for (String statement : SqlPage.statements().subList(0, 4)) {
            session.append(SqlPage.here(statement, broker.bootstrapServers())
                            // a machine may be slow and busy, and a list at its deadline has no scores
                            .replace(
                                    "'top-n' = '10'", "'realtime.timeout' = '170 s', 'cache.scores.max-entries' = '0'"))
                    .append(";\n");
        }
        assertThat(cluster.sql(home, session.toString()))
                .as(Files.readString(cluster.log("sql")))
                .isZero();
    }

    /** Text queries of the demo shop, each with some of its pictures, all different. */
    private static List<ObjectNode> lists() throws Exception {
        List<JsonNode> shop = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of("demo/lists.jsonl"))) {
            JsonNode list = JSON.readTree(line);
            if (list.at("/attributes/mode").asText().equals("text-image")) {
                shop.add(list);
            }
        }
        List<ObjectNode> lists = new ArrayList<>();
        for (int i = 0; i < LISTS; i++) {
            JsonNode of = shop.get(i % shop.size());
            ObjectNode list = JSON.createObjectNode().put("request_id", "list-" + i);
            list.set("query", of.path("query"));
            var candidates = list.putArray("candidates");
            for (int j = 0; j < CANDIDATES; j++) {
                candidates.add(of.path("candidates")
                        .get((i / shop.size() + j) % of.path("candidates").size()));
            }
            lists.add(list);
        }
        return lists;
    }

    /** Runs {@code ./lychee rerank}, keeps its scores, and returns its lists a second from first to last answer. */
    private double rerank(List<ObjectNode> lists) throws Exception {
        Path input = folder.resolve("lists.jsonl");
        Path output = folder.resolve("out.jsonl");
        Files.write(input, lists.stream().map(ObjectNode::toString).toList());
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Main.class.getName(),
                        "rerank",
                        "--checkpoint",
                        "demo/checkpoint",
                        "--device",
                        "cpu",
                        "--instruction",
                        SqlPage.statements().get(0).replaceFirst("(?s).*'instruction' = '(.*?)'.*", "$1"),
                        "-D",
                        "cache.scores.max-entries=0",
                        "-D",
                        "image.roots=" + Path.of("demo").toAbsolutePath(),
                        "--input",
                        input.toString(),
                        "--output",
                        output.toString())
                .inheritIO()
                .start();
        assertThat(process.waitFor()).isZero();
        long first = Long.MAX_VALUE;
        long last = 0;
        for (String line : Files.readAllLines(output)) {
            JsonNode answer = JSON.readTree(line);
            first = Math.min(first, answer.path("answered_at").asLong());
            last = Math.max(last, answer.path("answered_at").asLong());
            Map<String, Double> of = new HashMap<>();
            answer.path("results")
                    .forEach(result -> of.put(
                            result.path("id").asText(), result.path("score").asDouble()));
            assertThat(of).hasSize(CANDIDATES);
            scores.put(answer.path("request_id").asText(), of);
        }
        assertThat(scores).hasSize(LISTS);
        return (LISTS - 1) * 1e3 / (last - first);
    }

    private void send(List<ObjectNode> lists, int round) throws Exception {
        try (var producer = new KafkaProducer<>(client(), new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < lists.size(); i++) {
                ObjectNode list = lists.get(i);
                ObjectNode row = JSON.createObjectNode()
                        .put("name", round + ":" + list.path("request_id").asText())
                        .put("query", list.at("/query/text").asText());
                var candidates = row.putArray("candidates");
                for (JsonNode candidate : list.path("candidates")) {
                    candidates
                            .addObject()
                            .put("id", candidate.path("id").asText())
                            .put(
                                    "text",
                                    candidate.path("text").isNull()
                                            ? null
                                            : candidate.path("text").asText())
                            .put("image", candidate.at("/images/0").asText());
                }
                var unused = producer.send(new ProducerRecord<>("lists", i % PARTITIONS, null, row.toString()));
            }
        }
    }

    /** Waits for the job's own metric, which the JobManager fetches now and then. */
    private void metricCountsAllLists() throws Exception {
        String job = cluster.rest("/jobs").at("/jobs/0/id").asText();
        String vertex = cluster.rest("/jobs/" + job).at("/vertices/0/id").asText();
        String metrics = "/jobs/" + job + "/vertices/" + vertex + "/subtasks/metrics";
        String complete = null;
        while (complete == null) {
            for (var metric : cluster.rest(metrics)) {
                if (metric.path("id").asText().endsWith("rerank.lane.realtime.status.COMPLETE.lists")) {
                    complete = metric.path("id").asText();
                }
            }
            NativeCluster.pause();
        }
        String sum = metrics + "?agg=sum&get=" + URLEncoder.encode(complete, StandardCharsets.UTF_8);
        while (cluster.rest(sum).at("/0/sum").asLong() < LISTS) {
            NativeCluster.pause();
        }
        assertThat(cluster.rest(sum).at("/0/sum").asLong()).isEqualTo(LISTS);
    }

    /** What happens in the middle of a round. */
    private interface Event {
        void happen() throws Exception;
    }

    /** Waits until a round has all its rows, each as {@code rerank} has it; returns lists a second. */
    private double answered(int round, Event inTheMiddle) throws Exception {
        Map<String, Set<String>> rows = new HashMap<>();
        long first = Long.MAX_VALUE;
        long last = 0;
        int repeated = 0;
        boolean happened = false;
        try (var consumer = new KafkaConsumer<>(client(), new StringDeserializer(), new StringDeserializer())) {
            List<TopicPartition> partitions = List.of(new TopicPartition("reranked", 0));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            while (rows.size() < LISTS || rows.values().stream().anyMatch(ids -> ids.size() < CANDIDATES)) {
                for (var record : consumer.poll(Duration.ofMillis(500))) {
                    JsonNode row = JSON.readTree(record.value());
                    String[] name = row.path("name").asText().split(":", 2);
                    if (Integer.parseInt(name[0]) != round) {
                        continue;
                    }
                    String id = row.path("id").asText();
                    assertThat(row.path("score").isNumber()).as(row.toString()).isTrue();
                    assertThat(row.path("score").asDouble())
                            .as(row.toString())
                            .isCloseTo(scores.get(name[1]).get(id), within(TOLERANCE));
                    boolean isNew = rows.computeIfAbsent(name[1], list -> new HashSet<>())
                            .add(id);
                    repeated += isNew ? 0 : 1;
                    first = Math.min(first, record.timestamp());
                    last = Math.max(last, record.timestamp());
                }
                if (!happened && rows.size() > LISTS / 3) {
                    inTheMiddle.happen();
                    happened = true;
                }
            }
        }
        System.out.printf("round %d: %d lists, %d rows more than once%n", round, rows.size(), repeated);
        return (LISTS - 1) * 1e3 / (last - first);
    }

    private Map<String, Object> client() {
        return Map.of("bootstrap.servers", broker.bootstrapServers());
    }
}
