package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.Latency;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.ScoredList;
import io.lychee.rerank.domain.Usage;
import java.time.Duration;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** Tracks a list in flight and each of its candidates. Guarded by the engine's lock until it is answered. */
final class ListInFlight {

    /** Orders by lane, then deadline, then arrival. */
    static final Comparator<ListInFlight> URGENCY = Comparator.comparing(ListInFlight::lane)
            .thenComparingLong(list -> list.deadline)
            .thenComparingLong(list -> list.sequence);

    /** Bound of a timeout: nanoseconds of it still fit a long. */
    static final long MAX_TIMEOUT_MS = Duration.ofDays(365).toMillis();

    final CandidateList list;
    final Arrival arrival;
    /** Ticker nanoseconds; {@link Long#MAX_VALUE} means none. */
    final long deadline;

    final CompletableFuture<ScoredList> answer = new CompletableFuture<>();
    final CandidateState[] states;

    @Nullable
    PromptPart prefix;

    /** Marks a list answered or given up; work in flight for it ends without effect. */
    boolean done;

    private final long sequence;
    private final Ticker ticker;
    private final long submitted;
    private final long submittedMs;
    private @Nullable Reason reason;
    private @Nullable String detail;
    private long firstReady = -1;
    private long scoreNanos;
    private int unsettled;
    private long textTokens;
    private long visionTokens;
    private long prefixTokens;
    private long cacheHits;

    /** @param sequence order of arrival at the engine */
    ListInFlight(CandidateList list, Arrival arrival, long sequence, Ticker ticker) {
        this.list = list;
        this.arrival = arrival;
        this.sequence = sequence;
        this.ticker = ticker;
        this.submitted = ticker.nanos();
        this.submittedMs = ticker.now().toEpochMilli();
        long timeoutMs = list.timeoutMs() == null ? arrival.timeoutMs() : list.timeoutMs();
        this.deadline = timeoutMs == 0
                ? Long.MAX_VALUE
                : submitted + (arrival.timestampMs() + Math.min(timeoutMs, MAX_TIMEOUT_MS) - submittedMs) * 1_000_000;
        this.states = new CandidateState[list.candidates().size()];
        Arrays.fill(states, CandidateState.Waiting.INSTANCE);
        this.unsettled = states.length;
    }

    Lane lane() {
        return arrival.lane();
    }

    boolean isSettled(int candidate) {
        return states[candidate] instanceof CandidateState.Settled;
    }

    void settle(int candidate, ScoredList.Score score) {
        states[candidate] = new CandidateState.Settled(score);
        unsettled--;
    }

    /** Counts candidates that are neither scored nor rejected. */
    int unsettled() {
        return unsettled;
    }

    /** Returns the time in the engine. */
    long ageMillis(long now) {
        return (now - submitted) / 1_000_000;
    }

    /** Ends the encode stage when the first candidate could go to the device. */
    void markReady() {
        if (firstReady < 0) {
            firstReady = ticker.nanos();
        }
    }

    /** Charges the list for a pass with some of its candidates. */
    void charge(long passNanos, Pass.Group group, int imageHits) {
        cacheHits += imageHits;
        scoreNanos += passNanos;
        prefixTokens += group.prefix().tokens().length;
        for (PromptPart candidate : group.candidates()) {
            textTokens += candidate.textTokens();
            visionTokens += candidate.visionTokens();
        }
    }

    /** Returns tokens of a pass with all of its candidates that wait for one; 0 when none does. */
    long readyTokens() {
        long tokens = 0;
        for (CandidateState state : states) {
            tokens += state instanceof CandidateState.Ready ready ? ready.part().tokens().length : 0;
        }
        return prefix == null || tokens == 0 ? 0 : prefix.tokens().length + tokens;
    }

    /** Returns bytes of encoded candidates that are not settled. */
    long encodedBytes() {
        long bytes = 0;
        for (CandidateState state : states) {
            if (state instanceof CandidateState.Ready ready) {
                bytes += ready.part().bytes();
            } else if (state instanceof CandidateState.Running running) {
                bytes += running.part().bytes();
            }
        }
        return bytes;
    }

    /** @param whyIncomplete why it is answered before every candidate is settled; null when all are */
    void finish(@Nullable Reason whyIncomplete, @Nullable String sentence) {
        reason = whyIncomplete;
        detail = sentence;
    }

    /** Makes the answer; without the lock, since nothing changes once it is answered. */
    ScoredList toAnswer(ModelInfo model) {
        List<ScoredList.Score> scores = Arrays.stream(states)
                .map(state -> state instanceof CandidateState.Settled settled
                        ? settled.score()
                        : ScoredList.Score.missing(reason))
                .toList();
        boolean anyScored = scores.stream().anyMatch(score -> score.value() != null);
        return new ScoredList(
                reason == null ? ListStatus.COMPLETE : anyScored ? ListStatus.PARTIAL : ListStatus.UNSCORED,
                reason,
                detail,
                ticker.now(),
                scores,
                latency(),
                new Usage(textTokens, visionTokens, prefixTokens, cacheHits),
                model);
    }

    private Latency latency() {
        long now = ticker.nanos();
        long inEngine = (now - submitted) / 1000;
        long source = (arrival.readAtMs() - arrival.timestampMs()) * 1000;
        long beforeEngine = Math.max(0, submittedMs - arrival.readAtMs()) * 1000;
        long encode = ((firstReady < 0 ? now : firstReady) - submitted) / 1000;
        long score = Math.min(scoreNanos / 1000, inEngine - encode);
        return new Latency(source, encode, beforeEngine + inEngine - encode - score, score);
    }
}
