package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.lychee.rerank.config.Delivery;
import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.scoring.Lists;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.RerankedListCodec;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Lists sent to a cluster, and what comes back for them. */
final class ClusterTraffic implements AutoCloseable {

    private static final int CANDIDATES = 3;
    private static final int PARTITIONS = 4;

    /** Among seven processes that start at once, maybe on a machine busy with more. */
    private static final Duration BROKER_STARTS = Duration.ofMinutes(3);

    /** Of scores, between two answers to one list. */
    private static final double TOLERANCE = 1e-4;

    private final IntFunction<CandidateList> lists;
    private final String topic;
    private final KafkaProducer<byte[], byte[]> producer;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Map<String, List<RerankedList>> answers = new HashMap<>();
    private int sent;
    private CompletableFuture<Void> sending = CompletableFuture.completedFuture(null);

    /** @param kafka of a broker that may still be starting */
    ClusterTraffic(RerankConfig.Kafka kafka) throws Exception {
        this(kafka, i -> Lists.withTexts("q" + i, List.of("mug " + i, "chair " + i, "lamp " + i), null, null));
    }

    /** @param lists makes the list with that number, of {@link #CANDIDATES} */
    ClusterTraffic(RerankConfig.Kafka kafka, IntFunction<CandidateList> lists) throws Exception {
        this.lists = lists;
        new TopicAdmin(kafka, BROKER_STARTS).createMissing(TopicAdmin.topics(kafka), PARTITIONS);
        topic = kafka.requestsTopic();
        Map<String, Object> client = Map.of("bootstrap.servers", kafka.bootstrapServers());
        producer = new KafkaProducer<>(client, new ByteArraySerializer(), new ByteArraySerializer());
        consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", kafka.bootstrapServers(), "isolation.level", "read_committed"),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
        List<TopicPartition> partitions = IntStream.range(0, PARTITIONS)
                .mapToObj(i -> new TopicPartition(kafka.resultsTopic(), i))
                .toList();
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
    }

    /** Until there are more answers than lists were sent before: most of the new lists are still under way then. */
    void sendUntilAnswered(int upTo) throws Exception {
        int before = sent;
        send(upTo);
        while (answers.size() <= before) {
            poll();
        }
        System.out.println(answers.size() + " lists answered");
    }

    /** Sends in the background. */
    void send(int upTo) {
        sending.join();
        int before = sent;
        sent = upTo;
        sending = CompletableFuture.runAsync(() -> send(before, upTo));
    }

    /** One at a time: on a topic so new, what is sent ahead of a refused record is refused for ever. */
    private void send(int from, int to) {
        for (int i = from; i < to; i++) {
            CandidateList list = lists.apply(i);
            try {
                var unused = producer.send(
                                new ProducerRecord<>(topic, CandidateListCodec.encode(list, OutputFormat.AVRO)))
                        .get();
            } catch (InterruptedException | ExecutionException e) {
                throw new IllegalStateException("list " + i + " can't be sent", e);
            }
        }
    }

    private void poll() throws Exception {
        for (var record : consumer.poll(Duration.ofMillis(300))) {
            RerankedList answer = RerankedListCodec.decode(record.value());
            if (!answer.requestId().startsWith(CandidateList.HEARTBEAT)) {
                answers.computeIfAbsent(answer.requestId(), id -> new ArrayList<>())
                        .add(answer);
            }
        }
    }

    void assertAllAnswered(Delivery delivery) throws Exception {
        sending.join();
        while (answers.size() < sent) {
            poll();
        }
        // what would be doubled comes with the next checkpoints
        for (int i = 0; i < 20; i++) {
            poll();
        }
        assertThat(answers).hasSize(sent);
        int doubled = 0;
        for (List<RerankedList> same : answers.values()) {
            doubled += same.size() > 1 ? 1 : 0;
            Map<String, Double> scores = scores(same.get(0));
            // no list has a deadline: a duplicate has no reason to be worse
            for (RerankedList answer : same) {
                assertThat(answer.status()).as(answer.toString()).isEqualTo(ListStatus.COMPLETE);
                assertThat(answer.leftOut()).isEmpty();
                assertThat(answer.results()).hasSize(CANDIDATES);
                scores(answer)
                        .forEach((id, score) ->
                                assertThat(score).as(same.toString()).isCloseTo(scores.get(id), within(TOLERANCE)));
            }
        }
        System.out.printf("%s: %d lists, %d answered more than once%n", delivery, sent, doubled);
        if (delivery == Delivery.EXACTLY_ONCE) {
            assertThat(doubled).isZero();
        }
    }

    @Override
    public void close() {
        producer.close(Duration.ZERO);
        consumer.close();
    }

    private static Map<String, Double> scores(RerankedList answer) {
        return answer.results().stream()
                .collect(Collectors.toMap(RankedCandidate::id, c -> Objects.requireNonNull(c.score(), "no score")));
    }
}
