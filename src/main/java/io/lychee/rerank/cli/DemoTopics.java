package io.lychee.rerank.cli;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.kafka.DeadLetter;
import io.lychee.rerank.kafka.DeadLetterCodec;
import io.lychee.rerank.wire.RerankedListCodec;
import io.lychee.rerank.wire.UnreadableException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The demo's own ends of the topics: lists in, answers out. */
final class DemoTopics implements AutoCloseable {

    private final RerankConfig.Kafka kafka;
    private final KafkaConsumer<byte[], byte[]> consumer;

    DemoTopics(RerankConfig.Kafka kafka) {
        this.kafka = kafka;
        this.consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", kafka.bootstrapServers()),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
        List<TopicPartition> partitions = Stream.of(kafka.resultsTopic(), kafka.deadLettersTopic())
                .map(topic -> new TopicPartition(topic, 0))
                .toList();
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
    }

    /** Publishes lists in their JSON form, and waits until the broker has them. */
    void publish(List<String> lines) throws InterruptedException, ExecutionException {
        Map<String, Object> settings =
                Map.of("bootstrap.servers", kafka.bootstrapServers(), "max.request.size", kafka.maxRecordBytes());
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (String line : lines) {
                producer.send(new ProducerRecord<>(kafka.requestsTopic(), line.getBytes(StandardCharsets.UTF_8)))
                        .get();
            }
        }
    }

    /**
     * Waits a little for answers.
     *
     * @throws IllegalStateException when one of the lists became a dead letter
     */
    List<RerankedList> poll() {
        List<RerankedList> answers = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
            try {
                if (record.topic().equals(kafka.deadLettersTopic())) {
                    DeadLetter letter = DeadLetterCodec.decode(record.value());
                    throw new IllegalStateException("a list of the demo became a dead letter: " + letter.message());
                }
                answers.add(RerankedListCodec.decode(record.value()).list());
            } catch (UnreadableException e) {
                throw new IllegalStateException("an answer of this very job can't be read; this is a bug", e);
            }
        }
        return answers;
    }

    @Override
    public void close() {
        consumer.close();
    }
}
