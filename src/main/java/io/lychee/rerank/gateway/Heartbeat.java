package io.lychee.rerank.gateway;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Decides when the job is due an empty list, and whether its answers come in time. Safe for any thread. */
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
        if (within(sentAt, intervalNanos) || within(answeredAt, intervalNanos)) {
            return null;
        }
        sentAt = System.nanoTime();
        Content query = new Content("heartbeat", List.of());
        return new CandidateList(CandidateList.HEARTBEAT + id.get(), null, Map.of(), query, List.of(), null, timeoutMs);
    }

    /** Records any answer of the job. */
    void answered() {
        answeredAt = System.nanoTime();
    }

    void model(String name) {
        model = name;
    }

    /** Names the job's network by its latest answer; null before one. */
    @Nullable
    String model() {
        return model;
    }

    /** Describes why the job counts as gone; null while it answers. */
    @Nullable
    String silence() {
        if (within(answeredAt, 2 * intervalNanos)) {
            return null;
        }
        return (answeredAt == null
                        ? "no job has answered yet"
                        : "no job answered for " + Duration.ofNanos(2 * intervalNanos))
                + " (gateway.heartbeat-interval); is one running?";
    }

    private static boolean within(@Nullable Long from, long nanos) {
        return from != null && System.nanoTime() - from < nanos;
    }
}
