package io.lychee.rerank.kafka;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.Delivery;
import io.lychee.rerank.config.RerankConfig;
import java.io.Serializable;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Commits the offsets from which a start without a checkpoint goes on.
 *
 * @param topic whose offsets these are
 * @param bounded whether the run ends; then it may begin anywhere
 */
public record OffsetCommits(RerankConfig.Kafka kafka, String topic, boolean bounded) implements Serializable {

    private static final Logger LOG = LoggerFactory.getLogger(OffsetCommits.class);
    private static final Duration BROKER = Duration.ofSeconds(10);
    private static final long CLOSE_MS = 5_000;

    /**
     * Checks that a start without restored state can't repeat answers where each is promised once.
     *
     * @throws SuppressRestartsException when it can
     */
    void requireNewStart() {
        if (bounded || kafka.delivery() != Delivery.EXACTLY_ONCE || kafka.exactlyOnceFromOffsets()) {
            return;
        }
        boolean committed = new TopicAdmin(kafka, BROKER)
                .committed().keySet().stream().anyMatch(p -> p.topic().equals(topic));
        if (committed) {
            throw new SuppressRestartsException(new ConfigException(
                    ("group %s has committed offsets of topic %s, and this start has no checkpoint; "
                                    + "expected the checkpoint or a savepoint, because %s would answer lists again "
                                    + "that were answered after these offsets. %s=true accepts that")
                            .formatted(
                                    kafka.groupId(),
                                    topic,
                                    ConfigKeys.DELIVERY + "=" + kafka.delivery(),
                                    ConfigKeys.EXACTLY_ONCE_FROM_OFFSETS)));
        }
    }

    /**
     * Names the record that does not fit the heap once Kafka's client has inflated it, which no setting of the client
     * bounds.
     *
     * @param positions where each partition is read next
     * @return {@code failure}, where that is something else
     */
    RuntimeException explained(RuntimeException failure, Map<TopicPartition, Long> positions) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof OutOfMemoryError) {
                return UnreadableRecord.find(kafka, positions)
                        .<RuntimeException>map(record ->
                                new SuppressRestartsException(new ConfigException(record.message(kafka), failure)))
                        .orElse(failure);
            }
        }
        return failure;
    }

    /** @param job becomes part of each commit's metadata, with the checkpoint */
    Committer open(String job) {
        return new Committer(job);
    }

    /** Reads the checkpoint from a commit's metadata; -1 where another job committed, or something else did. */
    public static long checkpoint(OffsetAndMetadata committed, String job) {
        String[] parts = committed.metadata().split(":", 2);
        return parts.length == 2 && parts[0].equals(job) ? Long.parseLong(parts[1]) : -1;
    }

    /** Commits one checkpoint's offsets after the other; of those that wait, only the newest. Thread-safe. */
    final class Committer implements AutoCloseable {

        private final String job;
        private final Admin admin = TopicAdmin.open(kafka, BROKER);
        private final AtomicReference<@Nullable Map<TopicPartition, OffsetAndMetadata>> waiting =
                new AtomicReference<>();
        private CompletableFuture<Void> commits = CompletableFuture.completedFuture(null);

        private Committer(String job) {
            this.job = job;
        }

        /** Returns at once; a failure is logged, and the next checkpoint's commit makes up for it. */
        synchronized void commit(long checkpoint, Map<TopicPartition, Long> offsets) {
            if (offsets.isEmpty()) {
                return;
            }
            Map<TopicPartition, OffsetAndMetadata> withMetadata = new HashMap<>();
            offsets.forEach((partition, offset) ->
                    withMetadata.put(partition, new OffsetAndMetadata(offset, job + ":" + checkpoint)));
            waiting.set(withMetadata);
            commits = commits.thenCompose(done -> commitWaiting()).exceptionally(e -> {
                LOG.warn("offsets of group {} are not committed: {}", kafka.groupId(), e.toString());
                return null;
            });
        }

        private CompletionStage<Void> commitWaiting() {
            Map<TopicPartition, OffsetAndMetadata> next = waiting.getAndSet(null);
            return next == null
                    ? CompletableFuture.completedFuture(null)
                    : admin.alterConsumerGroupOffsets(kafka.groupId(), next)
                            .all()
                            .toCompletionStage();
        }

        /** Waits for pending commits, in bounded time. */
        @Override
        public synchronized void close() {
            try {
                commits.get(CLOSE_MS, TimeUnit.MILLISECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } catch (ExecutionException | TimeoutException e) {
                LOG.warn("offsets of group {} are not committed: {}", kafka.groupId(), e.toString());
            }
            admin.close(Duration.ZERO);
        }
    }
}
