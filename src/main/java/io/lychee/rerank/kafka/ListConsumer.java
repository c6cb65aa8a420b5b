package io.lychee.rerank.kafka;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions.OutputFormat;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.wire.UnreadableException;
import io.lychee.rerank.wire.WireSchema;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.jspecify.annotations.Nullable;

/**
 * A topic of lists, answers or dead letters as JSON lines. Joins no group and commits nothing, so it disturbs no job.
 * For one thread; only {@link #stop} may come from another.
 */
public final class ListConsumer implements AutoCloseable {

    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final Duration POLL = Duration.ofMillis(200);
    private static final JsonFactory JSON = new JsonFactory();

    private final KafkaConsumer<byte[], byte[]> consumer;

    /**
     * @param fromBeginning else only what comes from now on
     * @throws io.lychee.rerank.config.ConfigException when no broker answers, or it hasn't the topic
     */
    public ListConsumer(RerankConfig.Kafka kafka, String topic, boolean fromBeginning) {
        new BrokerCheck(kafka, PATIENCE).check(Set.of(topic));
        Properties properties = new Properties();
        properties.setProperty(
                ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG,
                Integer.toString(Math.max(1 << 20, kafka.maxRecordBytes())));
        // what a failed transaction left behind was never said
        properties.setProperty(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        properties.putAll(kafka.properties());
        properties.setProperty(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, kafka.bootstrapServers());
        properties.setProperty(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
        consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        List<TopicPartition> partitions = consumer.partitionsFor(topic, PATIENCE).stream()
                .map(p -> new TopicPartition(topic, p.partition()))
                .toList();
        consumer.assign(partitions);
        if (fromBeginning) {
            consumer.seekToBeginning(partitions);
        } else {
            consumer.seekToEnd(partitions);
        }
        // seeks are lazy; from here on nothing is missed
        partitions.forEach(partition -> consumer.position(partition, PATIENCE));
    }

    /**
     * Hands over one line a record, gateways' heartbeats left out, until one of these comes first.
     *
     * @param max records
     * @param idle time without a record; zero waits for ever
     * @return how many records came
     */
    public long consume(long max, Duration idle, Consumer<String> lines) {
        long count = 0;
        long handedAt = System.nanoTime();
        try {
            while (count < max && (idle.isZero() || System.nanoTime() - handedAt < idle.toNanos())) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(POLL);
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    if (count < max && !isHeartbeat(record)) {
                        lines.accept(line(record));
                        count++;
                        handedAt = System.nanoTime();
                    }
                }
            }
        } catch (WakeupException e) {
            // stop() was called
        }
        return count;
    }

    /** Ends {@link #consume}, from any thread. */
    public void stop() {
        consumer.wakeup();
    }

    @Override
    public void close() {
        consumer.close(CloseOptions.timeout(PATIENCE));
    }

    private static boolean isHeartbeat(ConsumerRecord<byte[], byte[]> record) {
        return record.key() != null && CandidateList.isHeartbeat(new String(record.key(), StandardCharsets.UTF_8));
    }

    private static String line(ConsumerRecord<byte[], byte[]> record) {
        byte[] value = record.value();
        String problem;
        try {
            String json = json(value);
            if (json != null) {
                return json;
            }
            problem = value == null ? "the record has no value" : "neither Avro of a known schema nor JSON";
        } catch (UnreadableException | JsonProcessingException e) {
            problem = String.valueOf(e.getMessage());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return unreadable(record, problem);
    }

    /**
     * A record as plain JSON, on one line; null where {@code value} is neither Avro of ours nor JSON.
     *
     * @throws IOException when it starts like JSON and isn't
     * @throws UnreadableException when it starts like Avro of ours and isn't
     */
    public static @Nullable String json(byte @Nullable [] value) throws IOException, UnreadableException {
        if (value == null) {
            return null;
        }
        for (WireSchema type : WireSchema.ALL) {
            if (type.wrote(value)) {
                return new String(WireSchema.encode(type.read(value), OutputFormat.JSON), StandardCharsets.UTF_8);
            }
        }
        int start = WireSchema.startOfJson(value);
        if (start < 0) {
            return null;
        }
        // as it is, but on one line
        StringWriter line = new StringWriter();
        try (JsonParser in = JSON.createParser(value, start, value.length - start);
                JsonGenerator out = JSON.createGenerator(line)) {
            while (in.nextToken() != null) {
                out.copyCurrentEventExact(in);
            }
        }
        return line.toString();
    }

    private static String unreadable(ConsumerRecord<byte[], byte[]> record, String problem) {
        StringWriter line = new StringWriter();
        try (JsonGenerator out = JSON.createGenerator(line)) {
            out.writeStartObject();
            out.writeStringField("unreadable", problem);
            out.writeNumberField("partition", record.partition());
            out.writeNumberField("offset", record.offset());
            out.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return line.toString();
    }
}
