package io.lychee.rerank.kafka;

import io.lychee.rerank.config.RerankConfig;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Commits one checkpoint's offsets after the other, from which a start without a checkpoint goes on. Of those that
 * wait, only the newest are committed. Safe for any thread.
 */
public final class OffsetCommitter implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(OffsetCommitter.class);
    private static final long CLOSE_MS = 5_000;

    private final String group;
    private final String job;
    private final Admin admin;
    private final AtomicReference<@Nullable Map<TopicPartition, OffsetAndMetadata>> waiting = new AtomicReference<>();
    private CompletableFuture<Void> commits = CompletableFuture.completedFuture(null);

    /** @param job becomes part of each commit's metadata, with the checkpoint */
    OffsetCommitter(RerankConfig.Kafka kafka, String job) {
        this.group = kafka.groupId();
        this.job = job;
        this.admin = TopicAdmin.open(kafka, TopicAdmin.TIMEOUT);
    }

    /** Reads the checkpoint from a commit's metadata; -1 where another job committed, or something else did. */
    public static long checkpoint(OffsetAndMetadata committed, String job) {
        String[] parts = committed.metadata().split(":", 2);
        return parts.length == 2 && parts[0].equals(job) ? Long.parseLong(parts[1]) : -1;
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
            warn(e);
            return null;
        });
    }

    private CompletionStage<Void> commitWaiting() {
        Map<TopicPartition, OffsetAndMetadata> next = waiting.getAndSet(null);
        return next == null
                ? CompletableFuture.completedFuture(null)
                : admin.alterConsumerGroupOffsets(group, next).all().toCompletionStage();
    }

    private void warn(Throwable e) {
        LOG.warn("offsets of group {} are not committed: {}", group, e.toString());
    }

    /** Waits for pending commits, in bounded time. */
    @Override
    public synchronized void close() {
        try {
            commits.get(CLOSE_MS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            warn(e);
        }
        admin.close(Duration.ZERO);
    }
}
