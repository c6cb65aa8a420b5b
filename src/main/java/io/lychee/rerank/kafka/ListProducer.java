package io.lychee.rerank.kafka;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions.OutputFormat;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.wire.CandidateListCodec;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;

/**
 * Candidate lists to the topic of a lane, keyed by request id. Lines are checked as the job will check them; what the
 * job would refuse is named and not sent. For one thread.
 */
public final class ListProducer implements AutoCloseable {

    private static final Duration PATIENCE = Duration.ofSeconds(10);

    /** How many lines were sent, and how many were no candidate list. */
    public record Summary(long sent, long refused) {}

    private final String topic;
    private final OutputFormat format;
    private final int maxRecordBytes;
    private final CandidateListDecoder decoder;
    private final KafkaProducer<byte[], byte[]> producer;
    private final AtomicReference<@Nullable Exception> failure = new AtomicReference<>();

    /** @throws io.lychee.rerank.config.ConfigException when no broker answers, or it hasn't the topic */
    public ListProducer(RerankConfig config, Lane lane, OutputFormat format) {
        RerankConfig.Kafka kafka = config.kafka();
        this.topic = KafkaSources.topic(kafka, lane);
        this.format = format;
        this.maxRecordBytes = kafka.maxRecordBytes();
        this.decoder = new CandidateListDecoder(config, Clock.systemUTC());
        new BrokerCheck(kafka, PATIENCE).check(Set.of(topic));
        Properties properties = KafkaSinks.producer(kafka, lane);
        properties.setProperty(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, kafka.bootstrapServers());
        this.producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /**
     * Sends every line, and returns when the broker has them all. Blank lines are skipped.
     *
     * @param name of the input, for the messages
     * @param refusals takes a message for each line that is no candidate list: {@code name:line: what is wrong}
     * @throws IOException when the input can't be read or the broker doesn't take a record
     */
    public Summary sendLines(String name, InputStream lines, Consumer<String> refusals) throws IOException {
        long sent = 0;
        long refused = 0;
        LineReader in = new LineReader(name, lines, maxRecordBytes);
        for (SourceRecord line = in.read(); line != null; line = in.read()) {
            Decoded decoded = decoder.decode(line);
            if (decoded instanceof Decoded.Refused bad) {
                refused++;
                refusals.accept(line + ": " + bad.letter().message());
            } else if (decoded instanceof Decoded.Taken good && line.value != null) {
                // JSON goes as it is: fields that this release doesn't know may be known to the job
                byte[] value = format == OutputFormat.JSON
                        ? line.value
                        : CandidateListCodec.encode(good.list(), OutputFormat.AVRO);
                send(good.list().requestId(), value);
                sent++;
            }
        }
        flush();
        return new Summary(sent, refused);
    }

    /** Sends one list; {@link #flush} says whether it arrived. */
    public void send(CandidateList list) throws IOException {
        send(list.requestId(), CandidateListCodec.encode(list, format));
    }

    /** @throws IOException when the broker did not take one of the records sent so far */
    public void flush() throws IOException {
        producer.flush();
        throwFailure();
    }

    @Override
    public void close() {
        producer.close(PATIENCE);
    }

    private void send(String requestId, byte[] value) throws IOException {
        throwFailure();
        var record = new ProducerRecord<>(topic, requestId.getBytes(StandardCharsets.UTF_8), value);
        try {
            var unused = producer.send(record, (metadata, e) -> {
                if (e != null) {
                    failure.compareAndSet(null, e);
                }
            });
        } catch (KafkaException e) {
            throw new IOException("request " + requestId + " can't be sent to " + topic + ": " + e.getMessage(), e);
        }
    }

    private void throwFailure() throws IOException {
        Exception e = failure.get();
        if (e != null) {
            throw new IOException("the broker did not take a record for " + topic + ": " + e.getMessage(), e);
        }
    }
}
