package io.lychee.rerank.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.kafka.TopicReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArraySet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.errors.WakeupException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Streams the lists that pass through the topics to the live page. Its consumer exists only while a page listens. Keeps
 * the latest 300 lists and their answers, of at most 64 MiB, so that one can be opened.
 */
final class Live implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Live.class);
    private static final long RETRY_NANOS = TimeUnit.SECONDS.toNanos(2);
    private static final Duration POLL = Duration.ofMillis(500);
    private static final int MAX_LISTENERS = 16;
    private static final int MAX_KEPT = 300;
    private static final long MAX_KEPT_BYTES = 64L << 20;

    /** Bytes of a record above which its event has no content, so that pictures aren't decoded for a table's row. */
    private static final int MAX_DESCRIBED_BYTES = 256 * 1024;

    private static final int SHOWN = 120;

    private final RerankConfig.Kafka kafka;
    private final Set<Route.EventStream> listeners = new CopyOnWriteArraySet<>();
    private final Map<String, Kept> kept = new LinkedHashMap<>();
    private long keptBytes;
    private @Nullable Thread thread;
    private @Nullable TopicReader reader;

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Kept(byte @Nullable [] list, byte @Nullable [] answer) {
        long bytes() {
            return (list == null ? 0L : list.length) + (answer == null ? 0L : answer.length);
        }
    }

    Live(RerankConfig.Kafka kafka) {
        this.kafka = kafka;
    }

    synchronized void subscribe(Route.EventStream stream) {
        if (listeners.size() >= MAX_LISTENERS) {
            throw new HttpError(429, MAX_LISTENERS + " pages listen already; no more are taken");
        }
        listeners.add(stream);
        stream.onClose(() -> leave(stream));
        if (thread == null) {
            thread = new Thread(this::read, "gateway-live");
            thread.setDaemon(true);
            thread.start();
        } else {
            stream.send("hello", "{}");
        }
    }

    private synchronized void leave(Route.EventStream stream) {
        listeners.remove(stream);
        if (listeners.isEmpty() && reader != null) {
            reader.stop();
        }
    }

    /** @throws HttpError 404 when it is not among the latest */
    Response open(String requestId) {
        Kept found = kept(requestId);
        ObjectNode tree = Response.object();
        tree.set("list", found.list == null ? null : ListsApi.json(found.list));
        tree.set("answer", found.answer == null ? null : ListsApi.json(found.answer));
        return Response.json(200, tree);
    }

    /**
     * Returns the first picture of a query: {@code data:}, or a reference.
     *
     * @throws HttpError 404 when the list is not among the latest, or its query has none
     */
    String picture(String requestId) {
        byte[] list = kept(requestId).list;
        String picture =
                list == null ? "" : ListsApi.json(list).at("/query/images/0").asText();
        if (picture.isEmpty()) {
            throw new HttpError(404, "the query of " + requestId + " has no picture");
        }
        return picture;
    }

    private synchronized Kept kept(String requestId) {
        Kept found = kept.get(requestId);
        if (found == null) {
            throw new HttpError(404, "no list " + requestId + " among the latest " + kept.size());
        }
        return found;
    }

    @Override
    public synchronized void close() {
        listeners.clear();
        if (reader != null) {
            reader.stop();
        }
    }

    private void read() {
        Set<String> topics = TopicAdmin.topics(kafka);
        while (stillWanted()) {
            try (TopicReader opened =
                    new TopicReader(kafka, topics, TopicReader.From.END, IsolationLevel.READ_UNCOMMITTED)) {
                using(opened);
                tell("hello", Response.object());
                while (!listeners.isEmpty()) {
                    opened.requireBroker();
                    opened.poll(POLL).forEach(this::pass);
                }
            } catch (WakeupException e) {
                // from stop(): the last page has gone
            } catch (RuntimeException | Error e) {
                LOG.warn("the topics can't be read for the live page; trying again: {}", e.toString());
                LockSupport.parkNanos(RETRY_NANOS);
            } finally {
                using(null);
            }
        }
    }

    private synchronized boolean stillWanted() {
        if (listeners.isEmpty()) {
            thread = null;
            return false;
        }
        return true;
    }

    private synchronized void using(@Nullable TopicReader now) {
        reader = now;
    }

    private void pass(ConsumerRecord<byte[], byte[]> record) {
        byte[] value = record.value();
        if (value == null || (record.key() != null && CandidateList.isHeartbeat(text(record.key())))) {
            return;
        }
        boolean backfill =
                record.topic().equals(kafka.backfillTopic()) || record.topic().equals(kafka.backfillResultsTopic());
        ObjectNode event = Response.object();
        event.put("lane", backfill ? "backfill" : "realtime");
        event.put("timestamp", record.timestamp());
        try {
            boolean dead = record.topic().equals(kafka.deadLettersTopic());
            // a dead letter holds at most 256 KiB of its record
            boolean described = dead || value.length <= MAX_DESCRIBED_BYTES;
            JsonNode tree = described ? ListsApi.json(value) : Response.object();
            String id = tree.path("request_id").asText(name(record, tree));
            event.put("request_id", id);
            if (dead) {
                event.put("reason", tree.path("reason").asText());
                event.put("message", tree.path("message").asText());
                tell("dead", event);
            } else if (record.topic().equals(kafka.requestsTopic())
                    || record.topic().equals(kafka.backfillTopic())) {
                if (described) {
                    String text = tree.path("query").path("text").asText("");
                    event.put("query", text.length() <= SHOWN ? text : text.substring(0, SHOWN));
                    event.put("pictures", tree.path("query").path("images").size());
                    event.put("candidates", tree.path("candidates").size());
                }
                keep(id, value, null);
                tell("asked", event);
            } else {
                if (described) {
                    event.put("status", tree.path("status").asText());
                    event.put(
                            "candidates",
                            tree.path("results").size() + tree.path("left_out").size());
                    event.set("latency", tree.path("latency"));
                    event.set("usage", tree.path("usage"));
                }
                keep(id, null, value);
                tell("answered", event);
            }
        } catch (IllegalArgumentException e) {
            // not a list; the job makes a dead letter of it
        }
    }

    /** Names a record by its key; without one by partition and offset, of a dead letter its origin's. */
    private static String name(ConsumerRecord<byte[], byte[]> record, JsonNode tree) {
        return record.key() == null || record.key().length == 0
                ? tree.path("partition").asInt(record.partition()) + "@"
                        + tree.path("offset").asLong(record.offset())
                : text(record.key());
    }

    private static String text(byte[] key) {
        return new String(key, StandardCharsets.UTF_8);
    }

    private synchronized void keep(String id, byte @Nullable [] list, byte @Nullable [] answer) {
        Kept before = kept.remove(id);
        keptBytes -= before == null ? 0 : before.bytes();
        Kept now = new Kept(
                list == null && before != null ? before.list : list,
                answer == null && before != null ? before.answer : answer);
        kept.put(id, now);
        keptBytes += now.bytes();
        Iterator<Kept> oldest = kept.values().iterator();
        while (kept.size() > MAX_KEPT || keptBytes > MAX_KEPT_BYTES) {
            keptBytes -= oldest.next().bytes();
            oldest.remove();
        }
    }

    private void tell(String event, JsonNode tree) {
        String json = tree.toString();
        listeners.forEach(listener -> listener.send(event, json));
    }
}
