package io.lychee.rerank.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.records.TopicLines;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;

/** Reads, writes, creates and checks topics of a real broker. */
class TopicsIT extends BrokerFixture {

    @Test
    void linesAreProducedAndConsumed() throws Exception {
        createTopics();
        String good = "{\"request_id\":\"q-1\",\"query\":{\"text\":\"a\"},\"candidates\":[{\"id\":\"b\"}],\"later\":1}";
        String lines =
                good + "\n\n{\"request_id\":\"q-2\"}\n" + " ".repeat(MAX_BYTES + 1) + "\n" + good.replace("q-1", "q-3");
        for (OutputFormat format : OutputFormat.values()) {
            List<String> refusals = new ArrayList<>();
            try (TopicWriter writer = new TopicWriter(config.kafka(), Lane.BACKFILL, null)) {
                var in = new ByteArrayInputStream(bytes(lines));
                assertThat(TopicLines.write(writer, config, Lane.BACKFILL, format, "in.jsonl", in, refusals::add))
                        .isEqualTo(new TopicLines.Sent(2, 1));
            }
            assertThat(refusals).containsExactly("in.jsonl:3: query is missing");
        }
        send(List.of(new ProducerRecord<>(config.kafka().backfillTopic(), null, bytes("{\n\"a\": 1.0}"))));
        send(List.of(new ProducerRecord<>(config.kafka().backfillTopic(), null, bytes("{broken"))));

        List<String> out = new ArrayList<>();
        try (TopicReader consumer = new TopicReader(
                config.kafka(),
                Set.of(config.kafka().backfillTopic()),
                TopicReader.From.BEGINNING,
                IsolationLevel.READ_COMMITTED)) {
            assertThat(TopicLines.read(consumer, 6, Duration.ZERO, out::add)).isEqualTo(6);
            assertThat(TopicLines.read(consumer, 1, Duration.ofMillis(300), out::add))
                    .isZero();
            consumer.stop();
            assertThat(TopicLines.read(consumer, 1, Duration.ZERO, out::add)).isZero();
        }

        assertThat(out)
                .contains(good, good.replace("q-1", "q-3"), "{\"a\":1.0}")
                .anyMatch(line -> line.startsWith("{\"request_id\":\"q-1\",\"instruction\":null"))
                .anyMatch(line -> line.startsWith("{\"unreadable\":\"Unexpected"))
                .noneMatch(line -> line.contains("\n"));
        try (TopicReader consumer = new TopicReader(
                config.kafka(),
                Set.of(config.kafka().backfillTopic()),
                TopicReader.From.END,
                IsolationLevel.READ_COMMITTED)) {
            assertThat(TopicLines.read(consumer, 1, Duration.ofMillis(300), out::add))
                    .isZero();
        }
    }

    @Test
    @SuppressWarnings("try") // the broker is closed early on purpose
    void aReaderFindsNewPartitionsAndNoticesALostBroker() throws Exception {
        try (EmbeddedBroker own = EmbeddedBroker.start();
                Admin admin = Admin.create(Map.of("bootstrap.servers", own.bootstrapServers()))) {
            RerankConfig.Kafka kafka =
                    config(own.bootstrapServers(), "new-partitions").kafka();
            String topic = kafka.resultsTopic();
            new TopicAdmin(kafka, Duration.ofSeconds(20)).createMissing(Set.of(topic), 1);
            try (TopicReader reader =
                            new TopicReader(kafka, Set.of(topic), TopicReader.From.END, IsolationLevel.READ_COMMITTED);
                    var producer = new KafkaProducer<>(
                            Map.of("bootstrap.servers", own.bootstrapServers(), "metadata.max.age.ms", 100),
                            new ByteArraySerializer(),
                            new ByteArraySerializer())) {
                admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(2)))
                        .all()
                        .get();
                producer.send(new ProducerRecord<>(topic, 1, null, bytes("new")))
                        .get();
                ConsumerRecords<byte[], byte[]> records = reader.poll(Duration.ofMillis(100));
                while (records.isEmpty()) {
                    reader.requireBroker();
                    records = reader.poll(Duration.ofMillis(100));
                }
                assertThat(records).hasSize(1).allMatch(record -> record.partition() == 1);

                own.close();
                assertThatThrownBy(() -> {
                            while (true) {
                                reader.requireBroker();
                                assertThat(reader.poll(Duration.ofMillis(100))).isEmpty();
                            }
                        })
                        .isInstanceOf(KafkaException.class);
            }
        }
    }

    @Test
    void missingTopicsAreNamedWithTheCommand() {
        Set<String> topics = TopicAdmin.topics(config.kafka());
        topics().createMissing(Set.of(config.kafka().requestsTopic()), 1);

        assertThatThrownBy(() -> check().check(topics))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("don't exist at 127.0.0.1:")
                .hasMessageContaining("--create --topic " + config.kafka().resultsTopic())
                .hasMessageNotContaining("--topic " + config.kafka().requestsTopic() + " ");

        topics().createMissing(topics, 3);
        assertThat(check().check(topics)).isEmpty();
    }

    @Test
    void aTransactionLongerThanTheBrokerAllowsIsRefused() {
        Map<String, String> values = new HashMap<>(Map.of(
                "model.checkpoint", "none",
                "kafka.bootstrap-servers", broker.bootstrapServers(),
                "kafka.delivery-guarantee", "exactly-once"));
        assertThat(new TopicCheck(RerankConfig.of(values).kafka(), Duration.ofSeconds(20)).checkDelivery())
                .isEmpty();

        values.put("kafka.transaction-timeout", "16 min");
        assertThatThrownBy(
                        () -> new TopicCheck(RerankConfig.of(values).kafka(), Duration.ofSeconds(20)).checkDelivery())
                .isInstanceOf(ConfigException.class)
                .hasMessageEndingWith("allows at most 900000 (transaction.max.timeout.ms)");
    }

    @Test
    void aTopicForSmallerRecordsIsAWarning() {
        createTopics();
        Map<String, String> larger = Map.of(
                "model.checkpoint", "none",
                "kafka.bootstrap-servers", broker.bootstrapServers(),
                "kafka.max-record-bytes", "1 mb");

        assertThat(new TopicCheck(RerankConfig.of(larger).kafka(), Duration.ofSeconds(20))
                        .check(Set.of(config.kafka().resultsTopic())))
                .containsExactly("topic " + config.kafka().resultsTopic()
                        + " takes records of at most 800000 bytes (max.message.bytes), less than"
                        + " kafka.max-record-bytes (1048576): a larger answer would stop the job");
    }

    @Test
    void aBrokerThatIsNotThereIsOneSentence() throws IOException {
        int port;
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = socket.getLocalPort();
        }
        RerankConfig nowhere = config("127.0.0.1:" + port, "nowhere");

        assertThatThrownBy(() -> new TopicCheck(nowhere.kafka(), Duration.ofSeconds(2)).check(Set.of("t")))
                .isInstanceOf(ConfigException.class)
                .hasMessage("no broker answered at 127.0.0.1:" + port + " within 2 s (kafka.bootstrap-servers)");
        assertThatThrownBy(
                        () -> new TopicCheck(config("nonsense", "n").kafka(), Duration.ofSeconds(2)).check(Set.of("t")))
                .isInstanceOf(ConfigException.class)
                .hasMessageStartingWith("kafka.bootstrap-servers is \"nonsense\": ");
    }

    private TopicCheck check() {
        return new TopicCheck(config.kafka(), Duration.ofSeconds(20));
    }
}
