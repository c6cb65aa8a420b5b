package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions.Delivery;
import io.lychee.rerank.config.RerankOptions.OutputFormat;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.kafka.AnswerDecoder;
import io.lychee.rerank.kafka.BrokerCheck;
import io.lychee.rerank.kafka.CandidateListEncoder;
import io.lychee.rerank.scoring.Lists;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** {@code ./lychee job} in a process of its own, ended at random moments and started again by the same command. */
final class JobRounds implements AutoCloseable {

    static final Pattern RUNS = Pattern.compile("reranking (\\S+) and");
    private static final int CAPACITY = 16;
    private static final int PARTITIONS = 2;
    private static final long DRAINED_SECONDS = 60;

    private final Path folder;
    private final Delivery delivery;
    private final Random random;
    private final EmbeddedBroker broker = EmbeddedBroker.start();
    private final RerankConfig.Kafka kafka;
    private final Path conf;
    private final KafkaProducer<byte[], byte[]> producer;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Map<String, Integer> answers = new HashMap<>();
    private int sent;
    private int repeatsAfterDrain;

    JobRounds(Path folder, Delivery delivery, long seed) throws Exception {
        System.out.println("JobRounds " + delivery + ", seed " + seed);
        this.folder = folder;
        this.delivery = delivery;
        this.random = new Random(seed);
        this.conf = Files.writeString(folder.resolve("rerank.properties"), """
                kafka.bootstrap-servers=%s
                kafka.delivery-guarantee=%s
                model.checkpoint=%s
                model.device=cpu
                realtime.timeout=0 s
                realtime.capacity=%d
                job.checkpoint-interval=1 s
                job.checkpoint-dir=%s
                """.formatted(
                        broker.bootstrapServers(),
                        delivery,
                        Path.of("src/test/resources/golden/checkpoint").toAbsolutePath(),
                        CAPACITY,
                        folder.resolve("checkpoints")));
        this.kafka =
                RerankConfig.of(RerankConfig.merge(conf, Map.of(), Map.of())).kafka();
        new BrokerCheck(kafka, Duration.ofSeconds(30)).createMissing(BrokerCheck.topics(kafka), PARTITIONS);
        this.producer = new KafkaProducer<>(
                Map.of("bootstrap.servers", broker.bootstrapServers()),
                new ByteArraySerializer(),
                new ByteArraySerializer());
        this.consumer = new KafkaConsumer<>(
                Map.of(
                        "bootstrap.servers",
                        broker.bootstrapServers(),
                        "isolation.level",
                        delivery == Delivery.EXACTLY_ONCE ? "read_committed" : "read_uncommitted"),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
        List<TopicPartition> partitions = IntStream.range(0, PARTITIONS)
                .mapToObj(p -> new TopicPartition(kafka.resultsTopic(), p))
                .toList();
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
    }

    Path conf() {
        return conf;
    }

    /** Starts the job, and ends it without warning after some answers. */
    void kill() throws Exception {
        try (ChildProcess job = start()) {
            answerSome(job);
            var unused = job.process().destroyForcibly().onExit().get();
        }
    }

    /** Starts the job, and asks it to end after some answers; none of these is repeated later. */
    void terminate() throws Exception {
        try (ChildProcess job = start()) {
            answerSome(job);
            job.process().destroy();
            assertThat(job.process().waitFor(DRAINED_SECONDS, TimeUnit.SECONDS)).isTrue();
            assertThat(job.process().exitValue()).as(job.output()).isZero();
            assertThat(job.output()).contains("every list that was taken is answered");
        }
        pollAll();
        repeatsAfterDrain -= repeats();
        finish();
        repeatsAfterDrain += repeats();
    }

    /** Starts the job until everything that was sent is answered, and ends it. */
    void finish() throws Exception {
        try (ChildProcess job = start()) {
            while (answers.size() < sent) {
                poll();
                assertThat(job.process().isAlive()).as(job.output()).isTrue();
            }
            job.process().destroy();
            assertThat(job.process().waitFor(DRAINED_SECONDS, TimeUnit.SECONDS)).isTrue();
        }
        pollAll();
    }

    /** Takes every answer that is there now. */
    private void pollAll() throws Exception {
        Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
        for (var end : ends.entrySet()) {
            while (consumer.position(end.getKey()) < end.getValue()) {
                poll();
            }
        }
    }

    private ChildProcess start() throws Exception {
        Path log = Files.createTempFile(folder, "job-", ".log");
        ChildProcess job = ChildProcess.start(log, "job", "--conf", conf.toString());
        var unused = job.await(RUNS);
        return job;
    }

    private void answerSome(ChildProcess job) throws Exception {
        answered(5 + random.nextInt(60), job);
    }

    /** Sends lists until so many more are answered. */
    void answered(int enough, ChildProcess job) throws Exception {
        int before = answers.size();
        while (answers.size() < before + enough) {
            for (int i = 0; i < 20; i++) {
                byte[] list = CandidateListEncoder.encode(Lists.of("q" + sent++, 3), OutputFormat.AVRO);
                var unused = producer.send(new ProducerRecord<>(kafka.requestsTopic(), list));
            }
            producer.flush();
            poll();
            assertThat(job.process().isAlive()).as(job.output()).isTrue();
        }
    }

    private void poll() throws Exception {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(300))) {
            RerankedList answer = AnswerDecoder.decode(record.value()).list();
            assertThat(answer.status()).isEqualTo(ListStatus.COMPLETE);
            answers.merge(answer.requestId(), 1, Integer::sum);
        }
    }

    int sent() {
        return sent;
    }

    int lost() {
        return sent - answers.size();
    }

    /** Answers beyond the first of their list. */
    int repeats() {
        return answers.values().stream().mapToInt(times -> times - 1).sum();
    }

    int repeatsAfterDrain() {
        return repeatsAfterDrain;
    }

    @Override
    public String toString() {
        return "%s: %d sent, %d lost, %d repeated, %d of them after SIGTERM"
                .formatted(delivery, sent, lost(), repeats(), repeatsAfterDrain);
    }

    @Override
    public void close() {
        producer.close();
        consumer.close();
        broker.close();
    }
}
