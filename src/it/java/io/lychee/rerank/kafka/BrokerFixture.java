package io.lychee.rerank.kafka;

import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.RerankConfig;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.Timeout;

/** A real broker, and a configuration with topics of its own for each test. */
@Timeout(180)
@SuppressWarnings("NullAway.Init") // JUnit sets the fields
abstract class BrokerFixture {

    static final int MAX_BYTES = 200_000;
    static EmbeddedBroker broker;
    RerankConfig config;

    @BeforeAll
    static void start() {
        broker = EmbeddedBroker.start();
    }

    @AfterAll
    static void stop() {
        broker.close();
    }

    @BeforeEach
    void configure(TestInfo test) {
        config = config(broker.bootstrapServers(), test.getDisplayName().replaceAll("\\W", ""));
    }

    static RerankConfig config(String servers, String name) {
        Map<String, String> values = new HashMap<>();
        values.put("model.checkpoint", "none");
        values.put("kafka.bootstrap-servers", servers);
        values.put("kafka.max-record-bytes", MAX_BYTES + " bytes");
        for (String topic : List.of("requests", "results", "backfill", "backfill-results", "dead-letters")) {
            values.put("kafka.topic." + topic, name + "." + topic);
        }
        return RerankConfig.of(values);
    }

    TopicAdmin topics() {
        return new TopicAdmin(config.kafka(), Duration.ofSeconds(20));
    }

    void createTopics() {
        topics().createMissing(TopicAdmin.topics(config.kafka()), 2);
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static void send(List<ProducerRecord<byte[], byte[]>> records) throws Exception {
        Map<String, Object> client = Map.of("bootstrap.servers", broker.bootstrapServers());
        try (var producer = new KafkaProducer<>(client, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (var record : records) {
                producer.send(record).get();
            }
        }
    }
}
