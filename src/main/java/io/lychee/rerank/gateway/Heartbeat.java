package io.lychee.rerank.gateway;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Tells when the job is due an empty list, and whether its answers come in time. Safe for any thread. */
final class Heartbeat {

    private final long intervalNanos;
    private volatile @Nullable Long sentAt;
    private volatile @Nullable Long answeredAt;
    private volatile @Nullable String model;

    Heartbeat(Duration interval) {
        this.intervalNanos = interval.toNanos();
    }

    /** Makes an empty list; null while an answer or a heartbeat passed within the interval. */
    @Nullable
    CandidateList due(Supplier<String> id, long timeoutMs) {
        long now = System.nanoTime();
        if (within(sentAt, now, intervalNanos) || within(answeredAt, now, intervalNanos)) {
            return null;
        }
        sentAt = now;
        return new CandidateList(
                CandidateList.HEARTBEAT + id.get(),
                null,
                Map.of(),
                new Content("heartbeat", List.of()),
                List.of(),
                null,
                timeoutMs);
    }

    /** Notes an answer of the job to whomever. */
    void answered() {
        answeredAt = System.nanoTime();
    }

    void model(String name) {
        model = name;
    }

    /** The job's network by its latest answer; null before one. */
    @Nullable
    String model() {
        return model;
    }

    /** Tells why the job counts as gone; null while it answers. */
    @Nullable
    String silence() {
        if (within(answeredAt, System.nanoTime(), 2 * intervalNanos)) {
            return null;
        }
        return (answeredAt == null
                        ? "no job has answered yet"
                        : "no job answered for " + Duration.ofNanos(2 * intervalNanos))
                + " (gateway.heartbeat-interval); is one running?";
    }

    private static boolean within(@Nullable Long from, long now, long nanos) {
        return from != null && now - from < nanos;
    }
}
