package io.lychee.rerank.scoring;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.ScoredList;
import io.lychee.rerank.scoring.EngineCounters.Counter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Plans passes, and answers lists when they are complete or due. Holds no thread and no lock: every call is made under
 * the engine's lock, and {@link #drain()} collects the lists to be answered outside it.
 *
 * <p>There is no linger: a pass takes what has become ready while the device was busy. A pass is of one lane,
 * realtime's first, so that a pass of backfill delays a realtime list by at most its own time.
 */
final class Scheduler {

    private static final Logger LOG = LoggerFactory.getLogger(Scheduler.class);

    /** A realtime pass holds at least this part of what waits, and of a full pass. */
    private static final int REALTIME_PART = 3;

    private static final int REALTIME_LEAST_PART = 4;

    /** Passes without a memory failure after which a lowered limit is doubled. */
    static final int PASSES_TO_GROW = 100;

    /** Identifies a score, for one network. */
    private record PairKey(Sha256 prefix, Sha256 candidate) {}

    /** Candidates of one list in a pass; {@code indices} are those of the group's candidates in the list. */
    record Slice(ListInFlight owner, List<Integer> indices, Pass.Group group) {}

    /** A pass, and the lists it serves; its groups are those of the slices. */
    record PlannedPass(List<Slice> slices, Pass pass) {

        PlannedPass(List<Slice> slices) {
            this(slices, new Pass(slices.stream().map(Slice::group).toList()));
        }

        Lane lane() {
            return slices.get(0).owner().lane();
        }
    }

    private final EngineSettings settings;
    private final EngineCounters counters;
    private final TreeSet<ListInFlight> lists = new TreeSet<>(ListInFlight.URGENCY);
    private final EncodeQueue encodeQueue;
    private final PassCost passCost = new PassCost();
    /** Lists whose answers {@link #drain()} has not taken yet. */
    private final List<ListInFlight> finished = new ArrayList<>();

    private final Cache<PairKey, Float> scores;
    private final int mostPassTokens;
    private volatile int passTokens;
    /** Passes since the last memory failure, or since the limit was raised. */
    private int passesThatFit;

    private @Nullable Lane lastPlanned;

    /** @param deviceTokens bound of a pass on this device, whatever the settings allow */
    Scheduler(EngineSettings settings, int deviceTokens, EngineCounters counters) {
        this.settings = settings;
        this.counters = counters;
        this.encodeQueue = new EncodeQueue(settings);
        this.mostPassTokens = Math.min(settings.passTokens(), deviceTokens);
        this.passTokens = mostPassTokens;
        this.scores = Caffeine.newBuilder()
                .maximumSize(settings.scores())
                .expireAfterWrite(settings.scoresExpire())
                .executor(Runnable::run) // evicts at once
                .build();
    }

    void add(ListInFlight list, long nowNanos) {
        lists.add(list);
        finishIfComplete(list);
        if (list.deadline <= nowNanos) {
            expire(list);
        }
        if (!list.done) {
            encodeQueue.add(new EncodeTask(list, EncodeTask.PREFIX));
        }
    }

    EncodeQueue encodeQueue() {
        return encodeQueue;
    }

    void fetchFailed(EncodeTask task, Reason reason, String detail) {
        encodeQueue.fetchFailed(task);
        rejected(task, reason, detail);
    }

    /** Takes an encoded part; returns whether the device has work that it did not have. */
    boolean encoded(EncodeTask task, PromptPart part) {
        encodeQueue.release(task);
        if (!isAwaited(task)) {
            return false;
        }
        ListInFlight list = task.owner();
        if (task.isPrefix()) {
            encodeQueue.countPrefix(part.bytes());
            list.prefix = part;
            for (int i = 0; i < list.states.length; i++) {
                pair(list, part, i);
            }
        } else {
            encodeQueue.countEncoded(part.bytes());
            list.states[task.index()] = new CandidateState.Ready(part);
            if (list.prefix != null) {
                pair(list, list.prefix, task.index());
            }
        }
        finishIfComplete(list);
        return task.isPrefix()
                ? list.readyTokens() > 0
                : list.prefix != null && list.states[task.index()] instanceof CandidateState.Ready;
    }

    /** Returns false for a list that was answered, and for a task that was given up because it took too long. */
    private static boolean isAwaited(EncodeTask task) {
        ListInFlight list = task.owner();
        boolean waits =
                task.isPrefix() ? list.prefix == null : list.states[task.index()] instanceof CandidateState.Waiting;
        return waits && !list.done;
    }

    /** Settles a pair that fits no pass, as it would block its list, or whose score is known. */
    private void pair(ListInFlight list, PromptPart prefix, int index) {
        if (!(list.states[index] instanceof CandidateState.Ready ready)) {
            return;
        }
        PromptPart candidate = ready.part();
        int tokens = prefix.tokens().length + candidate.tokens().length;
        if (tokens > settings.maxPairTokens()) {
            encodeQueue.countEncoded(-candidate.bytes());
            list.settle(
                    index,
                    ScoredList.Score.rejected(
                            Reason.OVER_BUDGET,
                            "query and candidate need " + tokens + " tokens; pair.max-tokens is "
                                    + settings.maxPairTokens()));
            return;
        }
        list.markReady();
        Float known = scores.getIfPresent(new PairKey(prefix.key(), candidate.key()));
        if (known != null) {
            counters.add(Counter.SCORE_HITS, 1);
            encodeQueue.countEncoded(-candidate.bytes());
            list.settle(index, score(known, prefix, candidate));
        }
    }

    void rejected(EncodeTask task, Reason reason, String detail) {
        encodeQueue.release(task);
        ListInFlight list = task.owner();
        if (!isAwaited(task)) {
            return;
        }
        if (task.isPrefix()) {
            boolean ofQuery = reason == Reason.QUERY_EMPTY || reason == Reason.OVER_BUDGET;
            finish(list, ofQuery ? reason : Reason.QUERY_IMAGE, detail);
            // the same answer, whichever failure was found first
            Arrays.fill(list.states, CandidateState.Waiting.INSTANCE);
        } else {
            list.settle(task.index(), ScoredList.Score.rejected(reason, detail));
            finishIfComplete(list);
        }
    }

    /** Plans the next pass; null when nothing is ready that it would still serve. */
    @Nullable
    PlannedPass nextPass(long now) {
        // planned, not done: the last one may still run
        boolean backfillFirst =
                lastPlanned == Lane.REALTIME && passCost.backfillIsDue(settings.backfillMinShare(), now);
        PlannedPass first = plan(backfillFirst ? Lane.BACKFILL : Lane.REALTIME, now);
        return first != null ? first : plan(backfillFirst ? Lane.REALTIME : Lane.BACKFILL, now);
    }

    /** Takes the most urgent lists of a lane first; none that the pass's estimated end doesn't serve. */
    private @Nullable PlannedPass plan(Lane lane, long now) {
        List<Slice> slices = new ArrayList<>();
        int most = lane == Lane.REALTIME ? realtimeRoom() : passTokens;
        int room = most;
        for (ListInFlight list : lists) {
            PromptPart prefix = list.prefix;
            if (prefix == null || list.lane() != lane) {
                continue;
            }
            // the first list's deadline is the nearest
            long latestEnd = slices.isEmpty() ? list.deadline : slices.get(0).owner().deadline;
            int left = room - prefix.tokens().length;
            List<Integer> indices = new ArrayList<>();
            List<PromptPart> candidates = new ArrayList<>();
            for (int i = 0; i < list.states.length; i++) {
                if (!(list.states[i] instanceof CandidateState.Ready ready)) {
                    continue;
                }
                int after = left - ready.part().tokens().length;
                boolean first = slices.isEmpty() && indices.isEmpty();
                if ((after < 0 && !first) || now + passCost.estimate(most - after, now) > latestEnd) {
                    break;
                }
                left = after;
                indices.add(i);
                candidates.add(ready.part());
            }
            if (indices.isEmpty()) {
                continue;
            }
            for (int i = 0; i < indices.size(); i++) {
                list.states[indices.get(i)] = new CandidateState.Running(candidates.get(i));
            }
            slices.add(new Slice(list, indices, new Pass.Group(prefix, candidates)));
            room = left;
            if (room <= 0) {
                break;
            }
        }
        if (slices.isEmpty()) {
            return null;
        }
        lastPlanned = lane;
        return new PlannedPass(slices);
    }

    /**
     * Bounds the next realtime pass to a part of what waits, because each list in it waits for all of it. It stays
     * large enough that a pass's fixed cost counts little, and for the most urgent list where a pass can hold that.
     */
    private int realtimeRoom() {
        long waiting = 0;
        int first = 0;
        for (ListInFlight list : lists) {
            if (list.lane() != Lane.REALTIME || waiting >= (long) REALTIME_PART * passTokens) {
                break;
            }
            waiting += list.readyTokens();
            first = first == 0 ? (int) Math.min(passTokens, waiting) : first;
        }
        long part = Math.max(waiting / REALTIME_PART, passTokens / REALTIME_LEAST_PART);
        return (int) Math.min(passTokens, Math.max(first, part));
    }

    /** Halves the limit of later passes, for a while, after one did not fit the device's memory. */
    void shrink(Pass tooLarge) {
        passTokens = Math.max(1, Math.min(passTokens, tooLarge.tokens() / 2));
        passesThatFit = 0;
    }

    /** Raises a lowered limit; trying that too early costs one pass of {@link #PASSES_TO_GROW}. */
    private void grow() {
        if (passTokens < mostPassTokens && ++passesThatFit == PASSES_TO_GROW) {
            passesThatFit = 0;
            passTokens = (int) Math.min(mostPassTokens, 2L * passTokens);
            LOG.info("{} passes fit the device's memory: they may hold {} tokens now", PASSES_TO_GROW, passTokens);
        }
    }

    /** Returns tokens that a pass may hold now; by any thread. */
    int passTokens() {
        return passTokens;
    }

    /** Returns nanoseconds that a pass takes on average; 0 when nothing is known. */
    long expectedNanos(Pass pass, long now) {
        return passCost.expected(pass.tokens(), now);
    }

    /**
     * Settles the candidates of a pass.
     *
     * @param passScores as {@link GuardedScorer#await} returns them
     * @param imageHits as {@link PassHandle#imageHits} returns them
     */
    void scored(PlannedPass planned, float[] passScores, int[] imageHits, long passNanos, long now) {
        grow();
        passCost.spent(planned.lane(), planned.pass().tokens(), passNanos, now);
        int next = 0;
        for (int s = 0; s < planned.slices().size(); s++) {
            Slice slice = planned.slices().get(s);
            ListInFlight list = slice.owner();
            PromptPart prefix = slice.group().prefix();
            if (!list.done) {
                list.charge(passNanos, slice.group(), s < imageHits.length ? imageHits[s] : 0);
            }
            for (int i = 0; i < slice.indices().size(); i++) {
                PromptPart candidate = slice.group().candidates().get(i);
                float score = passScores[next++];
                if (Float.isFinite(score)) {
                    scores.put(new PairKey(prefix.key(), candidate.key()), score);
                }
                if (!list.done) {
                    encodeQueue.countEncoded(-candidate.bytes());
                    list.settle(slice.indices().get(i), score(score, prefix, candidate));
                }
            }
            finishIfComplete(list);
        }
    }

    private ScoredList.Score score(float score, PromptPart prefix, PromptPart candidate) {
        if (score == GuardedScorer.NO_MEMORY) {
            return ScoredList.Score.rejected(
                    Reason.OUT_OF_MEMORY, "query and candidate don't fit the device's memory, even alone");
        }
        if (!Float.isFinite(score)) {
            return ScoredList.Score.rejected(
                    Reason.NOT_A_NUMBER, "the network comes to no number for query and candidate");
        }
        int tokens = prefix.tokens().length + candidate.tokens().length;
        String remark = tokens <= settings.trainedPairTokens()
                ? null
                : "query and candidate need " + tokens + " tokens; the network was trained on "
                        + settings.trainedPairTokens() + " (pair.trained-tokens)";
        return ScoredList.Score.scored(score, candidate.truncated(), remark);
    }

    /** Answers a list at its deadline with what has been scored; it is complete where every candidate is settled. */
    void expire(ListInFlight list) {
        if (list.unsettled() == 0) {
            finish(list, null, null);
        } else {
            finish(list, Reason.DEADLINE, "the deadline came before every candidate was scored");
        }
    }

    /** Answers a list without a candidate to wait for, once the query is known to be sound: its failure goes first. */
    private void finishIfComplete(ListInFlight list) {
        if (list.unsettled() == 0 && (list.prefix != null || list.states.length == 0)) {
            finish(list, null, null);
        }
    }

    private void finish(ListInFlight list, @Nullable Reason reason, @Nullable String detail) {
        if (!list.done) {
            remove(list);
            list.finish(reason, detail);
            finished.add(list);
        }
    }

    /** Takes out a list that is answered or given up; a pass that holds some of it ends without effect. */
    void remove(ListInFlight list) {
        if (list.done) {
            return;
        }
        list.done = true;
        lists.remove(list);
        encodeQueue.remove(list);
        encodeQueue.countEncoded(-list.encodedBytes());
        encodeQueue.countPrefix(list.prefix == null ? 0 : -list.prefix.bytes());
    }

    /** Returns the lists to answer since the last call. */
    List<ListInFlight> drain() {
        List<ListInFlight> drained = List.copyOf(finished);
        finished.clear();
        return drained;
    }

    /** Takes out everything in flight, for an engine that is dead or closed. */
    List<ListInFlight> abandon() {
        List<ListInFlight> abandoned = List.copyOf(lists);
        abandoned.forEach(list -> list.done = true);
        lists.clear();
        encodeQueue.clear();
        return abandoned;
    }

    /** Counts candidates in flight that are not settled. */
    long unsettled() {
        return lists.stream().mapToLong(ListInFlight::unsettled).sum();
    }

    Engine.QueueSize queue(Lane lane, long now) {
        int count = 0;
        long unsettled = 0;
        long oldestMillis = 0;
        for (ListInFlight list : lists) {
            if (list.lane() == lane) {
                count++;
                unsettled += list.unsettled();
                oldestMillis = Math.max(oldestMillis, list.ageMillis(now));
            }
        }
        return new Engine.QueueSize(count, unsettled, oldestMillis);
    }
}
