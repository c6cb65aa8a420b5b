package io.lychee.rerank.kafka;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Lane;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;

/** Sends records to topics, keyed by request id. Safe for any thread. */
public final class TopicWriter implements AutoCloseable {

    private static final long MIN_BUFFER_BYTES = 64L << 20;

    private final KafkaProducer<byte[], byte[]> producer;
    private final Duration closing;
    private final AtomicReference<@Nullable IOException> failure = new AtomicReference<>();

    /**
     * Opens a producer with the linger of {@code lane}.
     *
     * @param patience how long a send may block, and half of how long it may wait for the broker; null for Kafka's own
     */
    public TopicWriter(RerankConfig.Kafka kafka, Lane lane, @Nullable Duration patience) {
        Properties properties = KafkaSinks.producer(kafka, lane);
        properties.setProperty(
                ProducerConfig.BUFFER_MEMORY_CONFIG,
                Long.toString(Math.max(MIN_BUFFER_BYTES, 4L * kafka.maxRecordBytes())));
        if (patience != null) {
            String millis = Long.toString(patience.toMillis());
            properties.setProperty(ProducerConfig.MAX_BLOCK_MS_CONFIG, millis);
            properties.setProperty(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, millis);
            properties.setProperty(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, Long.toString(2 * patience.toMillis()));
        }
        properties.putAll(kafka.properties());
        properties.setProperty(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, kafka.bootstrapServers());
        this.closing = Duration.ofSeconds(patience == null ? 10 : 1);
        this.producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** Sends a record with the current time; see {@link #send(String, String, byte[], Long)}. */
    public CompletableFuture<Void> send(String topic, String requestId, byte[] value) {
        return send(topic, requestId, value, null);
    }

    /**
     * Sends a record. Blocks while the producer's buffer is full.
     *
     * @param timestampMs since the epoch; null for now
     * @return completes when the broker has it, exceptionally with a {@link KafkaException}
     */
    public CompletableFuture<Void> send(String topic, String requestId, byte[] value, @Nullable Long timestampMs) {
        byte[] key = requestId.getBytes(StandardCharsets.UTF_8);
        CompletableFuture<Void> sent = new CompletableFuture<>();
        try {
            var unused = producer.send(new ProducerRecord<>(topic, null, timestampMs, key, value), (metadata, e) -> {
                if (e == null) {
                    sent.complete(null);
                } else {
                    fail(topic, sent, e);
                }
            });
        } catch (KafkaException e) {
            fail(topic, sent, e);
        }
        return sent;
    }

    /**
     * Waits until the broker has every record.
     *
     * @throws IOException when it did not take one of those sent so far
     */
    public void flush() throws IOException {
        producer.flush();
        requireSent();
    }

    /** Throws an {@link IOException} when a record sent so far is known to be lost. */
    public void requireSent() throws IOException {
        IOException first = failure.get();
        if (first != null) {
            throw first;
        }
    }

    @Override
    public void close() {
        producer.close(closing);
    }

    private void fail(String topic, CompletableFuture<Void> sent, Exception e) {
        failure.compareAndSet(
                null, new IOException("the broker did not take a record for " + topic + ": " + e.getMessage(), e));
        sent.completeExceptionally(e);
    }
}
