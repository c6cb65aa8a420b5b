package io.lychee.rerank.kafka;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.metrics.MetricGroup;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;

/**
 * Tracks the unanswered records of one task, for its source and its operator. They must be one chain: RerankJob forces
 * chaining, and the task's attempt is the key. Any thread may read counts; all else belongs to the task thread.
 */
public final class InFlight {

    private static final ConcurrentMap<String, InFlight> TASKS = new ConcurrentHashMap<>();
    /** Job ids whose sources are paused until they end. */
    private static final Set<String> DRAINING = ConcurrentHashMap.newKeySet();

    private final String job;
    private final String task;
    private final AtomicLong records = new AtomicLong();
    private final AtomicLong bytes = new AtomicLong();
    private final Map<TopicPartition, NavigableSet<Long>> offsets = new HashMap<>();
    private final Deque<SourceRecord> order = new ArrayDeque<>();
    private final Set<SourceRecord> answeredOutOfOrder = new HashSet<>();
    private @Nullable CompletableFuture<Void> resumed;
    private long maxBytes = Long.MAX_VALUE;
    private int maxRecords = Integer.MAX_VALUE;

    private InFlight(String job, String task) {
        this.job = job;
        this.task = task;
    }

    /** Returns the tracker that all operators of one attempt of a task share. */
    public static InFlight of(MetricGroup operator) {
        Map<String, String> variables = operator.getAllVariables();
        String job = variables.getOrDefault("<job_id>", "");
        return TASKS.computeIfAbsent(variables.getOrDefault("<task_attempt_id>", job), task -> new InFlight(job, task));
    }

    /** Pauses the sources of a job in this JVM for good. */
    public static void drain(String job) {
        DRAINING.add(job);
    }

    /** Returns the number of unanswered records of a job in this JVM. */
    public static long records(String job) {
        return TASKS.values().stream()
                .filter(task -> task.job.equals(job))
                .mapToLong(task -> task.records.get())
                .sum();
    }

    /** Forgets a job that has ended. */
    public static void ended(String job) {
        DRAINING.remove(job);
    }

    /** Returns the bytes of unanswered records. */
    public long bytes() {
        return bytes.get();
    }

    /**
     * Bounds what is in flight; the source pauses there. A record more than the operator has room for would block the
     * task thread, and with it checkpoints.
     */
    void limit(long newMaxBytes, int newMaxRecords) {
        maxBytes = newMaxBytes;
        maxRecords = newMaxRecords;
    }

    /** Adds a record that the operator took. */
    public void add(SourceRecord record) {
        records.incrementAndGet();
        bytes.addAndGet(record.heldBytes());
        order.add(record);
        if (record.partition >= 0) {
            offsets.computeIfAbsent(partition(record), p -> new TreeSet<>()).add(record.offset);
        }
    }

    /**
     * Removes a record whose answer is emitted.
     *
     * @param ordered whether the operator holds answers back until all earlier ones are emitted
     */
    public void remove(SourceRecord record, boolean ordered) {
        if (!ordered) {
            order.remove(record);
            release(record);
            return;
        }
        answeredOutOfOrder.add(record);
        while (!order.isEmpty() && answeredOutOfOrder.remove(order.peek())) {
            release(order.remove());
        }
    }

    private void release(SourceRecord record) {
        records.decrementAndGet();
        bytes.addAndGet(-record.heldBytes());
        if (record.partition >= 0) {
            TopicPartition partition = partition(record);
            NavigableSet<Long> unanswered = offsets.getOrDefault(partition, new TreeSet<>());
            unanswered.remove(record.offset);
            if (unanswered.isEmpty()) {
                offsets.remove(partition);
            }
        }
        if (resumed != null && !isPaused()) {
            resumed.complete(null);
            resumed = null;
        }
    }

    /** Returns the lowest unanswered offset of each partition that has one. */
    Map<TopicPartition, Long> lowest() {
        Map<TopicPartition, Long> lowest = new HashMap<>();
        offsets.forEach((partition, unanswered) -> lowest.put(partition, unanswered.first()));
        return lowest;
    }

    /** Tells whether the source must not emit: too much is in flight, or the job drains. */
    boolean isPaused() {
        return bytes.get() >= maxBytes || records.get() >= maxRecords || DRAINING.contains(job);
    }

    /** Completes when the source may emit again. */
    CompletableFuture<Void> resumed() {
        if (resumed == null) {
            resumed = new CompletableFuture<>();
        }
        return resumed;
    }

    /** Forgets this task; both of its operators may call it. */
    public void close() {
        TASKS.remove(task, this);
    }

    private static TopicPartition partition(SourceRecord record) {
        return new TopicPartition(record.source, record.partition);
    }
}
