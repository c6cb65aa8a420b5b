package io.lychee.rerank.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.Latency;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.Usage;
import io.lychee.rerank.records.AnswerEncoder;
import io.lychee.rerank.records.CandidateListDecoder;
import io.lychee.rerank.records.DeadLetter;
import io.lychee.rerank.records.DeadLetterCodec;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.DeadLetterReason;
import io.lychee.rerank.wire.RerankedListCodec;
import io.lychee.rerank.wire.UnreadableException;
import io.lychee.rerank.wire.WireSchema;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;
import org.apache.avro.generic.GenericRecord;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Sends records through a real broker and a job. */
class KafkaIT extends BrokerFixture {

    @Test
    void everyRecordComesOutAsAnswerOrDeadLetter() throws Exception {
        createTopics();
        RerankConfig.Kafka kafka = config.kafka();
        List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            byte[] avro = CandidateListCodec.encode(list("q-" + i), i % 2 == 0 ? OutputFormat.AVRO : OutputFormat.JSON);
            var record = new ProducerRecord<>(kafka.requestsTopic(), bytes(i % 4 == 0 ? "q-" + i : "other-" + i), avro);
            record.headers().add("trace", bytes("t" + i)).add("trace", null);
            sent.add(record);
        }
        sent.add(new ProducerRecord<>(kafka.requestsTopic(), bytes("null"), null));
        sent.add(new ProducerRecord<>(kafka.requestsTopic(), bytes("empty"), new byte[0]));
        sent.add(new ProducerRecord<>(kafka.requestsTopic(), null, bytes("no list")));
        var oversized = new ProducerRecord<>(kafka.requestsTopic(), bytes("large"), new byte[MAX_BYTES * 3]);
        oversized.headers().add("trace", bytes("large"));
        sent.add(oversized);
        send(sent);

        runJob();

        Map<String, ConsumerRecord<byte[], byte[]>> answers = new TreeMap<>();
        for (var record : read(kafka.resultsTopic(), 40)) {
            RerankedList answer = RerankedListCodec.decode(record.value());
            answers.put(answer.requestId(), record);
            assertThat(record.key()).isEqualTo(bytes(answer.requestId()));
        }
        assertThat(answers).hasSize(40);
        assertThat(headers(answers.get("q-4"))).containsExactly("trace=t4", "trace=null");
        assertThat(headers(answers.get("q-5"))).containsExactly("trace=t5", "trace=null", "lychee.key=other-5");

        Map<String, DeadLetter> letters = new TreeMap<>();
        for (var record : read(kafka.deadLettersTopic(), 4)) {
            letters.put(record.key() == null ? "" : new String(record.key(), StandardCharsets.UTF_8), letter(record));
        }
        assertThat(letters).containsOnlyKeys("null", "empty", "", "large");
        assertThat(letters.get("null").reason()).isEqualTo(DeadLetterReason.EMPTY_RECORD);
        assertThat(letters.get("null").origin().value).isNull();
        assertThat(letters.get("empty").reason()).isEqualTo(DeadLetterReason.EMPTY_RECORD);
        DeadLetter undecodable = letters.get("");
        assertThat(undecodable.reason()).isEqualTo(DeadLetterReason.UNDECODABLE);
        assertThat(undecodable.origin().source).isEqualTo(kafka.requestsTopic());
        assertThat(undecodable.origin().partition).isIn(0, 1);
        assertThat(undecodable.origin().value).isEqualTo(bytes("no list"));
        DeadLetter large = letters.get("large");
        assertThat(large.reason()).isEqualTo(DeadLetterReason.OVERSIZED);
        assertThat(large.origin().valueSize).isEqualTo(MAX_BYTES * 3);
        assertThat(large.origin().value).hasSizeBetween(10_000, MAX_BYTES);
    }

    /** The largest answer, of text that no one can compress, through a topic of just that size. */
    @Test
    void theLargestAnswerFitsItsTopic() throws Exception {
        RerankConfig.Kafka kafka = config.kafka();
        var client = Map.<String, Object>of("bootstrap.servers", kafka.bootstrapServers());
        try (Admin admin = Admin.create(client)) {
            admin.createTopics(List.of(new NewTopic(kafka.resultsTopic(), 2, (short) 1)
                            .configs(Map.of("max.message.bytes", Integer.toString(MAX_BYTES)))))
                    .all()
                    .get();
        }
        Random random = new Random(1);
        List<Candidate> candidates = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            StringBuilder id = new StringBuilder();
            for (int j = 0; j < 400; j++) {
                id.append((char) random.nextInt(128));
            }
            candidates.add(new Candidate(id.toString(), new Content("t", List.of()), null, Map.of(), null));
        }
        CandidateList list =
                new CandidateList("q", null, Map.of(), new Content("q", List.of()), candidates, null, null);
        OutputRecord out = new AnswerEncoder(kafka).encode(answer(list), TestingRecords.source("x"));
        assertThat(out.size()).isGreaterThan(MAX_BYTES * 99 / 100);

        Properties properties = KafkaSinks.producer(kafka, Lane.REALTIME);
        properties.put("bootstrap.servers", kafka.bootstrapServers());
        try (var producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            var record = out.toProducerRecord(kafka.resultsTopic(), kafka.deadLettersTopic());
            assertThat(producer.send(record).get().serializedValueSize()).isEqualTo(out.value.length);
        }
        assertThat(RerankedListCodec.decode(out.value).shortened()).contains("results behind rank ");
    }

    private void runJob() throws Exception {
        Configuration flink = new Configuration();
        flink.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
        flink.set(PipelineOptions.GENERIC_TYPES, false);
        flink.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofMillis(200));
        var env = StreamExecutionEnvironment.createLocalEnvironment(2, flink);
        env.fromSource(
                        KafkaSources.boundedLists(
                                config,
                                Lane.REALTIME,
                                topics().ends(config.kafka().requestsTopic())),
                        WatermarkStrategy.noWatermarks(),
                        "requests")
                .map(new RetrievalOrder(config))
                .returns(OutputRecord.TYPE)
                .sinkTo(KafkaSinks.outputs(config.kafka(), Lane.REALTIME, "realtime"));
        env.execute("wire");
    }

    /** Stands in for the rerank operator: decodes, answers in retrieval order, encodes. */
    private static final class RetrievalOrder extends RichMapFunction<SourceRecord, OutputRecord> {
        private static final long serialVersionUID = 1;
        private final RerankConfig config;
        private transient CandidateListDecoder decoder;

        RetrievalOrder(RerankConfig config) {
            this.config = config;
        }

        @Override
        public void open(OpenContext context) {
            decoder = new CandidateListDecoder(config);
        }

        @Override
        public OutputRecord map(SourceRecord record) {
            try {
                return new AnswerEncoder(config.kafka()).encode(answer(decoder.decode(record)), record);
            } catch (UnreadableException e) {
                return new DeadLetterCodec(config.kafka())
                        .encode(new DeadLetter(
                                e.reason(), String.valueOf(e.getMessage()), record, TestingRecords.CLOCK.instant()));
            }
        }
    }

    private static RerankedList answer(CandidateList list) {
        List<RankedCandidate> results = new ArrayList<>();
        list.candidates()
                .forEach(c -> results.add(new RankedCandidate(
                        c.id(),
                        results.size() + 1,
                        results.size() + 1,
                        c.retrievalScore(),
                        null,
                        null,
                        null,
                        CandidateStatus.NOT_SCORED,
                        null,
                        null,
                        false,
                        List.of(),
                        c.attributes(),
                        c.relevance())));
        return new RerankedList(
                list.requestId(),
                ListStatus.UNSCORED,
                null,
                null,
                TestingRecords.CLOCK.instant(),
                results,
                List.of(),
                new Latency(1, 2, 3, 4),
                new Usage(0, 0, 0, 0),
                new ModelInfo("none", "none"),
                list.attributes(),
                null);
    }

    private static CandidateList list(String requestId) {
        return CandidateListCodec.fromRecord(
                withId(new TestingRecords(requestId.hashCode()).record(WireSchema.CANDIDATE_LIST.schema()), requestId));
    }

    private static GenericRecord withId(GenericRecord record, String requestId) {
        record.put("request_id", requestId);
        record.put("top_n", null);
        record.put("timeout_ms", null);
        return record;
    }

    private static DeadLetter letter(ConsumerRecord<byte[], byte[]> record) throws UnreadableException {
        return DeadLetterCodec.decode(record.value());
    }

    private static List<String> headers(@Nullable ConsumerRecord<byte[], byte[]> record) {
        List<String> headers = new ArrayList<>();
        if (record != null) {
            record.headers()
                    .forEach(h -> headers.add(h.key() + "="
                            + (h.value() == null ? "null" : new String(h.value(), StandardCharsets.UTF_8))));
        }
        return headers;
    }

    private static List<ConsumerRecord<byte[], byte[]>> read(String topic, int count) {
        Map<String, Object> client = Map.of("bootstrap.servers", broker.bootstrapServers());
        try (var consumer = new KafkaConsumer<>(client, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            var partitions = List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
            while (records.size() < count) {
                consumer.poll(Duration.ofMillis(100)).forEach(records::add);
            }
            return records;
        }
    }
}
