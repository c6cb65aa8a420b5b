package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class EmbeddedBrokerIT {

    private static final TopicPartition TOPIC = new TopicPartition("t", 0);

    @Test
    void whatAnEarlierBrokerHeldIsServedAgain(@TempDir Path folder) throws Exception {
        try (EmbeddedBroker broker = EmbeddedBroker.start(folder, 0);
                Admin admin = Admin.create(client(broker))) {
            admin.createTopics(List.of(new NewTopic("t", Optional.of(1), Optional.empty())))
                    .all()
                    .get();
            send(broker, "one");
            assertThat(read(broker, 1)).containsExactly("one");
        }
        try (EmbeddedBroker broker = EmbeddedBroker.start(folder, 0)) {
            send(broker, "two");
            assertThat(read(broker, 2)).containsExactly("one", "two");
        }
    }

    @Test
    void takesRecordsOf32MiBAndLeavesNothingBehind() throws Exception {
        Path temporary;
        try (EmbeddedBroker broker = EmbeddedBroker.start();
                Admin admin = Admin.create(client(broker))) {
            temporary = broker.folder();
            assertThat(temporary).isDirectory();
            admin.createTopics(List.of(new NewTopic("t", Optional.of(1), Optional.empty())))
                    .all()
                    .get();
            send(broker, "x".repeat(32 << 20));
            assertThat(read(broker, 1).get(0)).hasSize(32 << 20);
        }
        assertThat(temporary).doesNotExist();
    }

    @Test
    void aPortOrFolderInUseIsOneSentence(@TempDir Path folder) throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            assertThatThrownBy(() -> EmbeddedBroker.start(folder, taken.getLocalPort()))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageStartingWith("port " + taken.getLocalPort() + " of 127.0.0.1 can't be used");
        }
        try (EmbeddedBroker first = EmbeddedBroker.start(folder, 0)) {
            assertThat(first.folder()).isEqualTo(folder);
            assertThatThrownBy(() -> EmbeddedBroker.start(folder, 0))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("can't start in " + folder);
        }
    }

    private static Map<String, Object> client(EmbeddedBroker broker) {
        return Map.of(
                "bootstrap.servers",
                broker.bootstrapServers(),
                "max.request.size",
                64 << 20,
                "buffer.memory",
                128 << 20);
    }

    private static void send(EmbeddedBroker broker, String value) throws Exception {
        try (var producer = new KafkaProducer<>(client(broker), new StringSerializer(), new StringSerializer())) {
            producer.send(new ProducerRecord<>("t", "k", value)).get();
        }
    }

    private static List<String> read(EmbeddedBroker broker, int count) {
        try (var consumer = new KafkaConsumer<>(client(broker), new StringDeserializer(), new StringDeserializer())) {
            consumer.assign(List.of(TOPIC));
            consumer.seekToBeginning(List.of(TOPIC));
            List<String> values = new ArrayList<>();
            while (values.size() < count) {
                consumer.poll(Duration.ofMillis(100)).forEach(record -> values.add(record.value()));
            }
            return values;
        }
    }
}
