package io.lychee.rerank.gateway;

import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.kafka.TopicCheck;
import io.lychee.rerank.kafka.TopicReader;
import io.lychee.rerank.kafka.TopicWriter;
import io.lychee.rerank.records.DeadLetter;
import io.lychee.rerank.records.DeadLetterCodec;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.RerankedListCodec;
import io.lychee.rerank.wire.UnreadableException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.WakeupException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Publishes lists to the requests topic and completes them with their answers or dead letters. One thread reads both
 * topics, and skips records of other clients by their key, undecoded. Safe for any thread; bounded by
 * {@link Admission}.
 */
public final class Gateway implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Gateway.class);
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final Duration SEND = Duration.ofSeconds(5);
    private static final Duration POLL = Duration.ofMillis(500);
    private static final long RETRY_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** Bytes that Kafka adds to a record, and a margin. */
    private static final int OVERHEAD = 1024;

    /** Holds an answer as it came from the topic, and decoded. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Reply(byte[] record, RerankedList answer) {}

    private final RerankConfig config;
    private final Set<String> answerTopics;
    private final Admission admission;
    private final BodyReader bodies;
    private final Heartbeat heartbeat;
    private final TopicWriter writer;
    private final Map<String, CompletableFuture<Reply>> waiting = new ConcurrentHashMap<>();
    private final String prefix = "gw-" + UUID.randomUUID().toString().substring(0, 8) + "-";
    private final AtomicLong asked = new AtomicLong();
    private final Thread thread;
    private volatile boolean closed;
    private volatile TopicReader reader;
    private volatile boolean connected = true;

    /** @throws io.lychee.rerank.config.ConfigException when no broker answers, or it lacks one of the topics */
    public Gateway(RerankConfig config) {
        RerankConfig.Kafka kafka = config.kafka();
        this.config = config;
        this.answerTopics = Set.of(kafka.resultsTopic(), kafka.deadLettersTopic());
        this.admission = new Admission(config.gateway());
        this.bodies = new BodyReader(config.gateway().maxBodyTokens());
        this.heartbeat = new Heartbeat(config.gateway().heartbeatInterval());
        new TopicCheck(kafka, PATIENCE)
                .check(Set.of(kafka.requestsTopic(), kafka.resultsTopic(), kafka.deadLettersTopic()))
                .forEach(LOG::warn);
        this.writer = new TopicWriter(kafka, Lane.REALTIME, SEND);
        this.reader = open();
        this.thread = new Thread(this::read, "gateway-answers");
        this.thread.setDaemon(true);
        this.thread.start();
    }

    RerankConfig config() {
        return config;
    }

    Admission admission() {
        return admission;
    }

    BodyReader bodies() {
        return bodies;
    }

    Heartbeat heartbeat() {
        return heartbeat;
    }

    /** False while the broker doesn't answer. */
    boolean connected() {
        return connected;
    }

    /** Makes a request id, unique among gateways. */
    String nextId() {
        return prefix + Long.toString(asked.incrementAndGet(), 36);
    }

    /** Leaves time for the answer to arrive before the client's 504: 10 % of gateway.timeout, at most 2 s. */
    long listTimeoutMs() {
        long timeout = config.gateway().timeout().toMillis();
        return Math.max(1, timeout - Math.min(timeout / 10, 2000));
    }

    /**
     * Publishes a list whose id {@link #nextId} made. May block while the producer's buffer is full.
     *
     * @return the answer, or a {@link HttpError}: 413, 422 for a dead letter, 502, 503; cancel it to stop waiting
     */
    CompletableFuture<Reply> ask(CandidateList list) {
        if (!connected) {
            throw brokerGone(null);
        }
        byte[] value = CandidateListCodec.encode(list, OutputFormat.AVRO);
        int most = config.kafka().maxRecordBytes() - OVERHEAD;
        if (value.length > most) {
            throw new HttpError(
                    413,
                    "the list takes " + value.length + " bytes as a record; at most " + most
                            + " are taken (kafka.max-record-bytes)");
        }
        String id = list.requestId();
        CompletableFuture<Reply> reply = new CompletableFuture<>();
        waiting.put(id, reply);
        var unused = reply.whenComplete((answer, error) -> waiting.remove(id));
        var unusedSend = send(list, value).whenComplete((done, e) -> {
            if (e != null) {
                reply.completeExceptionally(notSent(e));
            }
        });
        return reply;
    }

    @Override
    public void close() {
        closed = true;
        reader.stop();
        try {
            thread.join(PATIENCE.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        failAll(new HttpError(503, "the gateway is shutting down"));
        writer.close();
    }

    private void read() {
        while (!closed) {
            try {
                beat();
                reader.requireBroker();
                for (ConsumerRecord<byte[], byte[]> record : reader.poll(POLL)) {
                    deliver(record);
                    if (record.topic().equals(config.kafka().resultsTopic())) {
                        heartbeat.answered(); // after deliver, so that a ready gateway knows the model's name
                    }
                }
            } catch (WakeupException e) {
                // from close()
            } catch (RuntimeException | Error e) {
                // goes on after a bug or a full heap too: later requests need their answers
                LOG.warn("the answers can't be read; trying again: {}", e.toString());
                connected = false;
                // answers until the reader is back may be missed
                failAll(brokerGone(e));
                reopen();
            }
        }
        reader.close();
    }

    /** Sends the job an empty list where one is due; a failure shows as a missing answer. */
    private void beat() {
        CandidateList list = heartbeat.due(this::nextId, listTimeoutMs());
        if (list != null) {
            var unused = send(list, CandidateListCodec.encode(list, OutputFormat.AVRO));
        }
    }

    private CompletableFuture<Void> send(CandidateList list, byte[] value) {
        return writer.send(config.kafka().requestsTopic(), list.requestId(), value);
    }

    /** Reads uncommitted answers too, since those of a transaction come up to a checkpoint interval later. */
    private TopicReader open() {
        return new TopicReader(config.kafka(), answerTopics, TopicReader.From.END, IsolationLevel.READ_UNCOMMITTED);
    }

    private void reopen() {
        reader.close();
        while (!closed) {
            try {
                reader = open();
                connected = true;
                LOG.warn("the broker answers again");
                return;
            } catch (RuntimeException | Error e) {
                LockSupport.parkNanos(RETRY_NANOS);
            }
        }
    }

    private void deliver(ConsumerRecord<byte[], byte[]> record) {
        String id = record.key() == null ? "" : new String(record.key(), StandardCharsets.UTF_8);
        boolean letter = record.topic().equals(config.kafka().deadLettersTopic());
        CompletableFuture<Reply> reply = waiting.get(id);
        boolean namesModel = !letter && (heartbeat.model() == null || CandidateList.isHeartbeat(id));
        if (record.value() == null || (reply == null && !namesModel)) {
            return;
        }
        // an answer that can't be decoded fails its own request only
        CompletableFuture<Reply> result = reply == null ? new CompletableFuture<>() : reply;
        try {
            if (letter) {
                DeadLetter dead = DeadLetterCodec.decode(record.value());
                result.completeExceptionally(
                        new HttpError(422, "the job refused the list, " + dead.reason() + ": " + dead.message()));
            } else {
                RerankedList answer = RerankedListCodec.decode(record.value());
                heartbeat.model(answer.model().name());
                result.complete(new Reply(record.value(), answer));
            }
        } catch (UnreadableException e) {
            result.completeExceptionally(new HttpError(502, "an answer that can't be read: " + e.getMessage()));
        } catch (RuntimeException | Error e) {
            result.completeExceptionally(e);
        }
    }

    private void failAll(HttpError e) {
        waiting.values().forEach(reply -> reply.completeExceptionally(e));
    }

    private HttpError notSent(Throwable e) {
        if (e instanceof RecordTooLargeException) {
            return new HttpError(
                    413,
                    "topic " + config.kafka().requestsTopic() + " takes no record as large as this list"
                            + " (max.message.bytes of the topic): " + e.getMessage());
        }
        return brokerGone(e);
    }

    private HttpError brokerGone(@Nullable Throwable e) {
        boolean reached = e instanceof ApiException && !(e instanceof RetriableException);
        return new HttpError(
                503,
                "the broker at " + config.kafka().bootstrapServers() + (reached ? " refuses" : " can't be reached")
                        + (e == null || e.getMessage() == null ? "" : ": " + e.getMessage()));
    }
}
