package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.Latency;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.Usage;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Comparator;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** A list in flight: what is known of each of its candidates. Guarded by the engine's lock until it is answered. */
final class ListInFlight {

    /** Lane, then deadline, then arrival. */
    static final Comparator<ListInFlight> URGENCY = Comparator.comparing(ListInFlight::lane)
            .thenComparingLong(p -> p.deadline)
            .thenComparingLong(p -> p.sequence);

    /** A longer timeout counts as this one: nanoseconds of it still fit a long. */
    static final long MAX_TIMEOUT_MS = Duration.ofDays(365).toMillis();

    final CandidateList list;
    final Arrival arrival;
    /** Ticker nanoseconds; {@link Long#MAX_VALUE} means none. */
    final long deadline;

    final CompletableFuture<RerankedList> answer = new CompletableFuture<>();
    final CandidateState[] outcomes;

    @Nullable
    PromptPart prefix;

    boolean answered;
    /** Jobs not taken yet, in their order: those that need no fetch, and those that do. */
    final ArrayDeque<EncodeTask> local = new ArrayDeque<>();

    final ArrayDeque<EncodeTask> remote = new ArrayDeque<>();

    private final CallerSettings caller;
    private final long sequence;
    private final Ticker ticker;
    private final long submitted;
    private final long submittedMs;
    private long firstReady = -1;
    private long scoreNanos;
    private int unsettled;
    private boolean anyScored;
    private long textTokens;
    private long visionTokens;
    private long prefixTokens;
    private long cacheHits;

    /** @param sequence order of arrival at the engine */
    ListInFlight(CandidateList list, Arrival arrival, CallerSettings caller, long sequence, Ticker ticker) {
        this.list = list;
        this.arrival = arrival;
        this.caller = caller;
        this.sequence = sequence;
        this.ticker = ticker;
        this.submitted = ticker.nanos();
        this.submittedMs = ticker.now().toEpochMilli();
        long timeoutMs = caller.timeoutMs(list, arrival.lane());
        this.deadline = timeoutMs == 0
                ? Long.MAX_VALUE
                : submitted + (arrival.timestampMs() + Math.min(timeoutMs, MAX_TIMEOUT_MS) - submittedMs) * 1_000_000;
        this.outcomes = new CandidateState[list.candidates().size()];
        Arrays.fill(outcomes, CandidateState.Waiting.INSTANCE);
        this.unsettled = outcomes.length;
    }

    Lane lane() {
        return arrival.lane();
    }

    void settle(int candidate, CandidateState outcome) {
        outcomes[candidate] = outcome;
        unsettled--;
        anyScored |= outcome instanceof CandidateState.Scored;
    }

    boolean complete() {
        return unsettled == 0;
    }

    /** Candidates that are neither scored nor rejected. */
    int unsettled() {
        return unsettled;
    }

    /** Time in the engine. */
    long ageMillis(long now) {
        return (now - submitted) / 1_000_000;
    }

    /** A candidate could go to the device now. */
    void markReady() {
        if (firstReady < 0) {
            firstReady = ticker.nanos();
        }
    }

    /** A pass with some of its candidates is done. */
    void charge(long passNanos, Pass.Group group, int imageHits) {
        cacheHits += imageHits;
        scoreNanos += passNanos;
        prefixTokens += group.prefix().tokens().length;
        for (PromptPart candidate : group.candidates()) {
            textTokens += candidate.textTokens();
            visionTokens += candidate.visionTokens();
        }
    }

    /** Tokens of a pass with all of its candidates that wait for one; 0 when none does. */
    long readyTokens() {
        long tokens = 0;
        for (CandidateState outcome : outcomes) {
            tokens += outcome instanceof CandidateState.Ready ready
                    ? ready.segment().tokens().length
                    : 0;
        }
        return prefix == null || tokens == 0 ? 0 : prefix.tokens().length + tokens;
    }

    /** Bytes of encoded candidates that wait for the device. */
    long encodedBytes() {
        long bytes = 0;
        for (CandidateState outcome : outcomes) {
            if (outcome instanceof CandidateState.Ready ready) {
                bytes += ready.segment().bytes();
            } else if (outcome instanceof CandidateState.Running running) {
                bytes += running.segment().bytes();
            }
        }
        return bytes;
    }

    /** @param reason why it is answered before every candidate is settled; null when all are */
    ListStatus status(@Nullable Reason reason) {
        return reason == null ? ListStatus.COMPLETE : anyScored ? ListStatus.PARTIAL : ListStatus.UNSCORED;
    }

    /** Ranks; without the lock, since nothing changes once it is answered. */
    RerankedList toAnswer(ModelInfo model, @Nullable Reason reason, @Nullable String detail) {
        Ranking ranking = Ranking.of(list, outcomes, caller.rules(), reason);
        return new RerankedList(
                list.requestId(),
                status(reason),
                reason,
                detail,
                ticker.now(),
                ranking.results(),
                ranking.leftOut(),
                latency(),
                new Usage(textTokens, visionTokens, prefixTokens, cacheHits),
                model,
                list.attributes());
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
