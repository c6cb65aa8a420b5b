package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.image.Pictures;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.records.DeadLetter;
import io.lychee.rerank.records.DeadLetterCodec;
import io.lychee.rerank.scoring.EngineFactory;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.RerankedListCodec;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Damaged records and pictures through a real broker, job and network. A first, small run has everything loaded that
 * stays; what the second leaves behind is a leak.
 */
@Timeout(1200)
class FuzzTest {

    private static final long SEED = Long.getLong("lychee.fuzz.seed", 20261122);
    private static final int PICTURES_A_LIST = 4;
    private static final long THREAD_END_MILLIS = 30_000;
    /** Of the heap and of direct buffers, between two runs. */
    private static final long MEMORY_SLACK = 32 << 20;

    private static final int COLLECTIONS = 20;

    @TempDir
    private Path folder;

    private final Random random = new Random(SEED);

    @Test
    void everyInputIsAnsweredOrDeadAndNothingIsLeftBehind() throws Exception {
        fuzz(300, 60);
    }

    @Test
    @Tag("full")
    void atFullSize() throws Exception {
        fuzz(Integer.getInteger("lychee.fuzz.records", 10_000), Integer.getInteger("lychee.fuzz.pictures", 2_000));
    }

    private void fuzz(int records, int pictures) throws Exception {
        System.out.println("seed " + SEED);
        run(100, 20);
        Set<Thread> threads = Thread.getAllStackTraces().keySet();
        long heap = heap();
        long direct = direct();

        run(records, pictures);

        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            // the common pool's come and go
            if (!threads.contains(thread) && !thread.getName().startsWith("ForkJoinPool.commonPool")) {
                thread.join(THREAD_END_MILLIS);
                assertThat(thread.isAlive()).as("%s lives", thread).isFalse();
            }
        }
        long moreHeap = heap() - heap;
        long moreDirect = direct() - direct;
        // what is freed by cleaners takes a collection more
        for (int i = 0; i < COLLECTIONS && Math.max(moreHeap, moreDirect) > MEMORY_SLACK; i++) {
            moreHeap = heap() - heap;
            moreDirect = direct() - direct;
        }
        System.out.printf("left behind: %d KB of heap, %d KB of direct buffers%n", moreHeap / 1024, moreDirect / 1024);
        assertThat(moreHeap).as("heap").isLessThan(MEMORY_SLACK);
        assertThat(moreDirect).as("direct buffers").isLessThan(MEMORY_SLACK);
    }

    private static long heap() {
        System.gc();
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    private static long direct() {
        return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                .filter(pool -> pool.getName().equals("direct"))
                .mapToLong(BufferPoolMXBean::getMemoryUsed)
                .sum();
    }

    private void run(int records, int pictures) throws Exception {
        try (EmbeddedBroker broker = EmbeddedBroker.start()) {
            RerankConfig config = RerankConfig.of(Map.of(
                    "kafka.bootstrap-servers", broker.bootstrapServers(),
                    "model.checkpoint",
                            Path.of("src/test/resources/golden/checkpoint").toString(),
                    "model.device", "cpu",
                    "image.roots", folder.toString(),
                    "image.max-pixels", "12544",
                    "image.max-decoded-pixels", "4000000",
                    "realtime.timeout", "0 s",
                    "job.checkpoint-interval", "1 s",
                    "flink.restart-strategy.type", "none"));
            RerankConfig.Kafka kafka = config.kafka();
            new TopicAdmin(kafka, Duration.ofSeconds(30)).createMissing(TopicAdmin.topics(kafka), 1);
            StreamExecutionEnvironment env = RerankJob.environment(config);
            RerankJob.build(env, config, new PassingEngines(config));
            JobClient job = env.executeAsync("fuzz");
            Set<String> waiting = send(kafka, records, pictures);
            receive(kafka, waiting);
            assertThat(job.getJobStatus().get()).isEqualTo(JobStatus.RUNNING);
            job.cancel().get(60, TimeUnit.SECONDS);
        }
    }

    /** @return the keys of what was sent */
    private Set<String> send(RerankConfig.Kafka kafka, int records, int pictures) throws Exception {
        Set<String> keys = new HashSet<>();
        // on a topic so new, what is sent ahead of a refused record is refused for ever
        Map<String, Object> client =
                Map.of("bootstrap.servers", kafka.bootstrapServers(), "max.in.flight.requests.per.connection", 1);
        try (var producer = new KafkaProducer<>(client, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int i = 0; i < records; i++) {
                List<Image> images = random.nextInt(10) == 0
                        ? List.of(new Image.Reference("file:picture-" + random.nextInt(2 * pictures)))
                        : List.of();
                byte[] record = mutate(encode("q" + i, 1 + random.nextInt(3), images));
                String topic = i % 4 == 0 ? kafka.backfillTopic() : kafka.requestsTopic();
                send(producer, topic, "record-" + i, record, keys);
            }
            List<Path> originals = originals();
            for (int i = 0; i < pictures; i += PICTURES_A_LIST) {
                List<Candidate> candidates = new ArrayList<>();
                for (int j = i; j < i + PICTURES_A_LIST; j++) {
                    byte[] original = Files.readAllBytes(originals.get(random.nextInt(originals.size())));
                    Files.write(folder.resolve("picture-" + j), Pictures.hostile(original, random));
                    Content content = new Content(null, List.of(new Image.Reference("file:picture-" + j)));
                    candidates.add(new Candidate("p" + j, content, null, Map.of(), null));
                }
                CandidateList list = list("pictures-" + i, candidates);
                send(
                        producer,
                        kafka.requestsTopic(),
                        "for-pictures-" + i,
                        CandidateListCodec.encode(list, OutputFormat.AVRO),
                        keys);
            }
        }
        return keys;
    }

    private static void send(
            KafkaProducer<byte[], byte[]> producer, String topic, String key, byte[] record, Set<String> keys) {
        keys.add(key);
        var unused = producer.send(new ProducerRecord<>(topic, key.getBytes(StandardCharsets.UTF_8), record));
    }

    private void receive(RerankConfig.Kafka kafka, Set<String> waiting) throws Exception {
        int answered = 0;
        int dead = 0;
        int scored = 0;
        int rejected = 0;
        try (var consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", kafka.bootstrapServers()),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = Stream.of(
                            kafka.resultsTopic(), kafka.backfillResultsTopic(), kafka.deadLettersTopic())
                    .map(topic -> new TopicPartition(topic, 0))
                    .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            while (!waiting.isEmpty()) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    byte[] key;
                    if (record.topic().equals(kafka.deadLettersTopic())) {
                        dead++;
                        DeadLetter letter = DeadLetterCodec.decode(record.value());
                        assertThat(letter.message()).isNotBlank();
                        key = letter.origin().key;
                    } else {
                        answered++;
                        RerankedList answer = RerankedListCodec.decode(record.value());
                        key = record.headers().lastHeader("lychee.key").value();
                        if (answer.requestId().startsWith("pictures-")) {
                            assertThat(answer.status()).isEqualTo(ListStatus.COMPLETE);
                            int ofList = (int) count(answer, CandidateStatus.SCORED);
                            scored += ofList;
                            rejected += PICTURES_A_LIST - ofList;
                            assertThat(ofList + count(answer, CandidateStatus.REJECTED))
                                    .isEqualTo(PICTURES_A_LIST);
                        }
                    }
                    assertThat(key).isNotNull();
                    String name = new String(key, StandardCharsets.UTF_8);
                    assertThat(waiting.remove(name))
                            .as("%s was sent, and not answered before", name)
                            .isTrue();
                }
            }
        }
        System.out.printf(
                "%d answered, %d dead letters; pictures: %d scored, %d rejected%n", answered, dead, scored, rejected);
        assertThat(List.of(answered, dead, scored, rejected)).doesNotContain(0);
    }

    private static long count(RerankedList answer, CandidateStatus status) {
        return answer.all().map(RankedCandidate::status).filter(status::equals).count();
    }

    private byte[] encode(String id, int candidates, List<Image> images) {
        List<Candidate> all = IntStream.range(0, candidates)
                .mapToObj(i -> new Candidate(
                        "c" + i, new Content("chair " + i + " 椅子", images), i / 2.0, Map.of("sales", "1"), i))
                .toList();
        return CandidateListCodec.encode(list(id, all), random.nextBoolean() ? OutputFormat.AVRO : OutputFormat.JSON);
    }

    private static CandidateList list(String id, List<Candidate> candidates) {
        return new CandidateList(
                id, null, Map.of("group", "g"), new Content("a chair", List.of()), candidates, null, null);
    }

    private static List<Path> originals() throws Exception {
        try (Stream<Path> files = Files.list(Path.of("src/test/resources/images"))) {
            return files.filter(file -> file.toString().matches(".*\\.(jpg|png|webp|gif|bmp)"))
                    .sorted()
                    .toList();
        }
    }

    private byte[] mutate(byte[] bytes) {
        byte[] mutated = bytes.clone();
        for (int i = random.nextInt(3); i >= 0; i--) {
            // half of it where headers are
            int at = random.nextInt(random.nextBoolean() ? mutated.length : Math.min(64, mutated.length));
            switch (random.nextInt(12)) {
                case 0, 1, 2, 3, 4 -> mutated[at] ^= (byte) (1 << random.nextInt(8));
                case 5, 6, 7, 8, 9 -> mutated[at] = (byte) random.nextInt(256);
                case 10 -> mutated = Arrays.copyOf(mutated, Math.max(1, at));
                default -> mutated = Arrays.copyOf(mutated, mutated.length + random.nextInt(5));
            }
        }
        return mutated;
    }

    /** The job's own, but for one thing: they close with the last lease. */
    private record PassingEngines(RerankConfig config) implements EngineFactory {

        @Override
        public EngineRegistry.Lease lease(List<Integer> gpus) {
            return EngineRegistry.lease(
                    new EngineRegistry.Key("fuzz", ""),
                    List.of("cpu"),
                    device -> new QwenEngineFactory(config).open(),
                    Duration.ZERO);
        }
    }
}
