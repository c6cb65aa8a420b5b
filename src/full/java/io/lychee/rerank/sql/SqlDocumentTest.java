package io.lychee.rerank.sql;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.cli.EmbeddedBroker;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
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

/** The statements of docs/sql.md, in their order, through Flink's planner and a real broker. */
@Tag("full")
@Timeout(300)
class SqlDocumentTest {

    private static final ObjectMapper JSON = new ObjectMapper();

    private final EmbeddedBroker broker = EmbeddedBroker.start();
    private final TableEnvironment table = TableEnvironment.create(EnvironmentSettings.inStreamingMode());
    private final List<TableResult> jobs = new ArrayList<>();
    private KafkaProducer<String, String> producer;

    @BeforeEach
    void connect() throws Exception {
        Map<String, Object> client = Map.of("bootstrap.servers", broker.bootstrapServers());
        try (Admin admin = Admin.create(client)) {
            var topics = Stream.of("lists", "reranked", "questions").map(name -> new NewTopic(name, 1, (short) 1));
            admin.createTopics(topics.toList()).all().get();
        }
        producer = new KafkaProducer<>(client, new StringSerializer(), new StringSerializer());
        table.getConfig().set("restart-strategy.type", "none");
    }

    @AfterEach
    void stop() throws Exception {
        for (TableResult job : jobs) {
            job.getJobClient().orElseThrow().cancel().get();
        }
        producer.close();
        broker.close();
    }

    @Test
    void everyStatementDoesWhatThePageSays() throws Exception {
        List<String> statements = SqlPage.statements();
        assertThat(statements).hasSizeGreaterThan(8);
        for (String statement : statements) {
            TableResult result = table.executeSql(
                    SqlPage.here(statement, broker.bootstrapServers()).replace("your-vectors", Vectors.Factory.NAME));
            if (statement.startsWith("INSERT")) {
                jobs.add(result);
            }
        }
        assertThat(jobs).hasSize(2);
        send("lists", null, """
                {"name":"l1","query":"sweet shoe with dots","candidates":[{"id":"vase","text":"athletic flower vase in red"},\
                {"id":"shoe","image":"file:images/shoe-175.jpg"},{"id":"shoe2","text":"sweet dotted shoe"}]}""");
        Map<String, List<String>> ids = answers(3);
        assertThat(ids.get("l1")).hasSize(3).last().isEqualTo("vase");

        long now = System.currentTimeMillis();
        send("questions", now, "{\"name\":\"q1\",\"query\":\"sweet shoe with dots\",\"vector\":[1,0]}");
        // closes the first one's window
        send("questions", now + 60_000, "{\"name\":\"later\",\"query\":\"hat\",\"vector\":[0,1]}");
        ids = answers(6);
        assertThat(ids.get("q1")).hasSize(Vectors.PRODUCTS.size()).first().isEqualTo("p1");
    }

    private void send(String topic, Long timestamp, String value) throws Exception {
        var unused = producer.send(new ProducerRecord<>(topic, null, timestamp, null, value))
                .get();
    }

    /** Reads so many rows: ids by list, in the order of their ranks. */
    private Map<String, List<String>> answers(int rows) {
        Map<String, List<String>> ids = new HashMap<>();
        Map<String, Object> client = Map.of("bootstrap.servers", broker.bootstrapServers());
        try (var consumer = new KafkaConsumer<>(client, new StringDeserializer(), new StringDeserializer())) {
            TopicPartition partition = new TopicPartition("reranked", 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            int seen = 0;
            while (seen < rows) {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    JsonNode row = read(record.value());
                    List<String> ranked = ids.computeIfAbsent(row.path("name").asText(), name -> new ArrayList<>());
                    ranked.add(row.path("id").asText());
                    assertThat(row.path("rank").asInt()).isEqualTo(ranked.size());
                    assertThat(row.path("score").asDouble()).isBetween(0.0, 1.0);
                    seen++;
                }
            }
        }
        return ids;
    }

    private static JsonNode read(String json) {
        try {
            return JSON.readTree(json);
        } catch (IOException e) {
            throw new IllegalStateException(json, e);
        }
    }
}
