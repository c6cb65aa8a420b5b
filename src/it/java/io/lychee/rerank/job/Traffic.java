package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.config.Delivery;
import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.scoring.Lists;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.RerankedListCodec;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Small lists into the realtime lane, and their answers counted. Creates the topics. */
public final class Traffic implements AutoCloseable {

    private static final int PARTITIONS = 2;
    private static final int BURST = 20;

    private final RerankConfig.Kafka kafka;
    private final KafkaProducer<byte[], byte[]> producer;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Map<String, Integer> answers = new HashMap<>();
    private int sent;

    public Traffic(RerankConfig.Kafka kafka) {
        this.kafka = kafka;
        new TopicAdmin(kafka, Duration.ofSeconds(60)).createMissing(TopicAdmin.topics(kafka), PARTITIONS);
        this.producer = new KafkaProducer<>(
                Map.of("bootstrap.servers", kafka.bootstrapServers()),
                new ByteArraySerializer(),
                new ByteArraySerializer());
        this.consumer = new KafkaConsumer<>(
                Map.of(
                        "bootstrap.servers",
                        kafka.bootstrapServers(),
                        "isolation.level",
                        kafka.delivery() == Delivery.EXACTLY_ONCE ? "read_committed" : "read_uncommitted"),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
        List<TopicPartition> partitions = IntStream.range(0, PARTITIONS)
                .mapToObj(p -> new TopicPartition(kafka.resultsTopic(), p))
                .toList();
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
    }

    /** Sends lists until so many more are answered; {@code alive} fails when that can't be. */
    public void answered(int enough, Runnable alive) throws Exception {
        int before = answers.size();
        while (answers.size() < before + enough) {
            for (int i = 0; i < BURST; i++) {
                byte[] list = CandidateListCodec.encode(Lists.of("q" + sent++, 3), OutputFormat.AVRO);
                var unused = producer.send(new ProducerRecord<>(kafka.requestsTopic(), list));
            }
            producer.flush();
            poll();
            alive.run();
        }
    }

    /** Waits until everything that was sent is answered. */
    public void allAnswered(Runnable alive) throws Exception {
        while (lost() > 0) {
            poll();
            alive.run();
        }
    }

    private void poll() throws Exception {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(300))) {
            RerankedList answer = RerankedListCodec.decode(record.value());
            assertThat(answer.status()).isEqualTo(ListStatus.COMPLETE);
            answers.merge(answer.requestId(), 1, Integer::sum);
        }
    }

    /** Takes every answer that is there now. */
    public void pollAll() throws Exception {
        Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
        for (var end : ends.entrySet()) {
            while (consumer.position(end.getKey()) < end.getValue()) {
                poll();
            }
        }
    }

    public int lost() {
        return sent - answers.size();
    }

    /** How often each list was answered so far. */
    public Map<String, Integer> counts() {
        return Map.copyOf(answers);
    }

    /** Answers beyond the first of their list. */
    public int repeats() {
        return answers.values().stream().mapToInt(times -> times - 1).sum();
    }

    /** Lists answered above the committed offsets: what a start without a checkpoint repeats beside those in flight. */
    public long answeredAboveCommitted() throws Exception {
        pollAll();
        long committed = new TopicAdmin(kafka, Duration.ofSeconds(60))
                .committed().entrySet().stream()
                        .filter(entry -> entry.getKey().topic().equals(kafka.requestsTopic()))
                        .mapToLong(entry -> entry.getValue().offset())
                        .sum();
        return answers.size() - committed;
    }

    @Override
    public String toString() {
        return "%s: %d sent, %d not answered, %d repeated".formatted(kafka.delivery(), sent, lost(), repeats());
    }

    @Override
    public void close() {
        producer.close();
        consumer.close();
    }
}
