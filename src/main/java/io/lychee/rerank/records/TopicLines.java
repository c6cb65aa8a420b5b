package io.lychee.rerank.records;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.kafka.KafkaSources;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.kafka.TopicReader;
import io.lychee.rerank.kafka.TopicWriter;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.UnreadableException;
import io.lychee.rerank.wire.WireSchema;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.errors.WakeupException;
import org.jspecify.annotations.Nullable;

/** Converts between JSON lines and the records of topics. */
public final class TopicLines {

    private static final Duration POLL = Duration.ofMillis(200);
    private static final JsonFactory JSON = new JsonFactory();

    /** Counts the lines that were sent, and those that were no candidate list. */
    public record Sent(long sent, long refused) {}

    private TopicLines() {}

    /**
     * Publishes every line to the lane's topic, and returns when the broker has them all. Blank lines are skipped.
     * Lines that the job would refuse are not sent.
     *
     * @param name of the input, for the messages
     * @param refusals takes a message for each line that is no candidate list: {@code name:line: reason}
     * @throws IOException when the input can't be read or the broker doesn't take a record
     */
    public static Sent write(
            TopicWriter writer,
            RerankConfig config,
            Lane lane,
            OutputFormat format,
            String name,
            InputStream lines,
            Consumer<String> refusals)
            throws IOException {
        long sent = 0;
        long refused = 0;
        CandidateListDecoder decoder = new CandidateListDecoder(config);
        LineReader in = new LineReader(name, lines, config.kafka().maxRecordBytes());
        for (SourceRecord line = in.read(); line != null; line = in.read()) {
            CandidateList list;
            try {
                list = decoder.decode(line);
            } catch (UnreadableException e) {
                refused++;
                refusals.accept(line + ": " + e.getMessage());
                continue;
            }
            // JSON stays unchanged: fields that this release doesn't know may be known to the job
            byte[] value = format == OutputFormat.JSON && line.value != null
                    ? line.value
                    : CandidateListCodec.encode(list, format);
            var unused = writer.send(KafkaSources.topic(config.kafka(), lane), list.requestId(), value);
            writer.requireSent();
            sent++;
        }
        writer.flush();
        return new Sent(sent, refused);
    }

    /**
     * Hands over one line a record, without gateways' heartbeats, until a bound is reached or the reader is stopped.
     *
     * @param max records
     * @param idle time without a record; zero for none
     * @return how many records came
     */
    public static long read(TopicReader reader, long max, Duration idle, Consumer<String> lines) {
        long count = 0;
        long handedAt = System.nanoTime();
        try {
            while (count < max && (idle.isZero() || System.nanoTime() - handedAt < idle.toNanos())) {
                for (ConsumerRecord<byte[], byte[]> record : reader.poll(POLL)) {
                    if (count < max && !isHeartbeat(record)) {
                        lines.accept(line(record));
                        count++;
                        handedAt = System.nanoTime();
                    }
                }
            }
        } catch (WakeupException e) {
            // the reader was stopped
        }
        return count;
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
        return JsonNodeFactory.instance
                .objectNode()
                .put("unreadable", problem)
                .put("partition", record.partition())
                .put("offset", record.offset())
                .toString();
    }

    /**
     * Converts a record to plain JSON on one line; null where {@code value} is neither Avro of ours nor JSON.
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
        StringWriter line = new StringWriter();
        try (JsonParser in = JSON.createParser(value, start, value.length - start);
                JsonGenerator out = JSON.createGenerator(line)) {
            while (in.nextToken() != null) {
                out.copyCurrentEventExact(in);
            }
        }
        return line.toString();
    }
}
