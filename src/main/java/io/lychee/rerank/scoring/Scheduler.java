package io.lychee.rerank.scoring;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Plans passes, and answers lists when they are complete or due. Holds no thread and no lock: every call is made under
 * the engine's lock, and answers are collected in {@link #drain()} to be made and completed outside it.
 *
 * <p>There is no linger: a pass takes what has become ready while the device was busy. A pass is of one lane,
 * realtime's first, so that a list people wait for is delayed by at most one pass of backfill.
 */
final class Scheduler {

    private static final Logger LOG = LoggerFactory.getLogger(Scheduler.class);

    /** What makes a score, with the network. */
    private record PairKey(Sha256 prefix, Sha256 candidate) {}

    /** A pass, and whose candidates are in it: {@code indices.get(g)} belongs to {@code owners.get(g)}. */
    record PlannedPass(Pass pass, List<ListInFlight> owners, List<List<Integer>> indices) {}

    /** A list whose answer is to be made and completed outside the lock. */
    record Answered(
            ListInFlight owner,
            ModelInfo model,
            @Nullable Reason reason,
            @Nullable String detail) {

        ListStatus status() {
            return owner.status(reason);
        }

        RerankedList answer() {
            return owner.toAnswer(model, reason, detail);
        }
    }

    /** A realtime pass holds the third part of what waits, and at least the fourth of a full pass. */
    private static final int REALTIME_PART = 3;

    private static final int REALTIME_LEAST_PART = 4;

    /** So many passes without a memory failure, and a limit that was lowered is doubled. */
    static final int PASSES_TO_GROW = 100;

    private final EngineSettings settings;
    private final ModelInfo model;
    private final TreeSet<ListInFlight> lists = new TreeSet<>(ListInFlight.URGENCY);
    private final EncodeQueue encoding;
    private final PassCost device = new PassCost();
    private final List<Answered> answered = new ArrayList<>();
    private final Cache<PairKey, Float> scores;
    private final int mostPassTokens;
    private int passTokens;
    /** Since the last memory failure, or since the limit was raised. */
    private int passesThatFit;

    private @Nullable Lane lastPlanned;
    private long scoreHits;

    /** @param mostPassTokens what the device holds, whatever the settings say */
    Scheduler(EngineSettings settings, ModelInfo model, int mostPassTokens) {
        this.settings = settings;
        this.model = model;
        this.encoding = new EncodeQueue(settings);
        this.mostPassTokens = Math.min(settings.passTokens(), mostPassTokens);
        this.passTokens = this.mostPassTokens;
        this.scores = Caffeine.newBuilder()
                .maximumSize(settings.scores())
                .expireAfterWrite(settings.scoresExpire())
                .executor(Runnable::run) // what is over the bound is gone at once
                .build();
    }

    void add(ListInFlight pending, long nowNanos) {
        lists.add(pending);
        answerIfComplete(pending);
        if (pending.deadline <= nowNanos) {
            expire(pending);
        }
        if (!pending.answered) {
            encoding.add(new EncodeTask(pending, EncodeTask.PREFIX));
        }
    }

    /** What to fetch and encode next. */
    EncodeQueue encoding() {
        return encoding;
    }

    void fetchFailed(EncodeTask job, Reason reason, String detail) {
        encoding.fetchFailed(job);
        rejected(job, reason, detail);
    }

    /** Returns whether the device has work that it did not have. */
    boolean encoded(EncodeTask job, PromptPart segment) {
        encoding.release(job);
        ListInFlight pending = job.owner();
        if (!isAwaited(job)) {
            return false;
        }
        if (job.isPrefix()) {
            encoding.countPrefix(segment.bytes());
            pending.prefix = segment;
            for (int i = 0; i < pending.outcomes.length; i++) {
                checkBudget(pending, i);
            }
        } else {
            encoding.count(segment.bytes());
            pending.outcomes[job.index()] = new CandidateState.Ready(segment);
            checkBudget(pending, job.index());
        }
        answerIfComplete(pending);
        return job.isPrefix()
                ? pending.readyTokens() > 0
                : pending.prefix != null && pending.outcomes[job.index()] instanceof CandidateState.Ready;
    }

    /** False for what nobody waits for, or was given up because it took too long. */
    private static boolean isAwaited(EncodeTask job) {
        ListInFlight owner = job.owner();
        boolean waits =
                job.isPrefix() ? owner.prefix == null : owner.outcomes[job.index()] instanceof CandidateState.Waiting;
        return waits && !owner.answered;
    }

    /** A pair that fits no pass must never reach the queue, where it would block its list for ever. */
    private void checkBudget(ListInFlight pending, int index) {
        if (pending.prefix == null || !(pending.outcomes[index] instanceof CandidateState.Ready ready)) {
            return;
        }
        int tokens = pending.prefix.tokens().length + ready.segment().tokens().length;
        if (tokens > settings.maxPairTokens()) {
            encoding.count(-ready.segment().bytes());
            pending.settle(
                    index,
                    new CandidateState.Rejected(
                            Reason.OVER_BUDGET,
                            "query and candidate need " + tokens + " tokens; pair.max-tokens is "
                                    + settings.maxPairTokens()));
            return;
        }
        pending.markReady();
        Float known = scores.getIfPresent(key(pending.prefix, ready.segment()));
        if (known != null) {
            scoreHits++;
            encoding.count(-ready.segment().bytes());
            pending.settle(index, scored(known, pending.prefix, ready.segment()));
        }
    }

    private static PairKey key(PromptPart prefix, PromptPart candidate) {
        return new PairKey(prefix.key(), candidate.key());
    }

    private CandidateState scored(float score, PromptPart prefix, PromptPart candidate) {
        return new CandidateState.Scored(score, candidate.truncated(), remark(prefix, candidate));
    }

    void rejected(EncodeTask job, Reason reason, String detail) {
        encoding.release(job);
        ListInFlight pending = job.owner();
        if (!isAwaited(job)) {
            return;
        }
        if (job.isPrefix()) {
            boolean ofQuery = reason == Reason.QUERY_EMPTY || reason == Reason.OVER_BUDGET;
            answer(pending, ofQuery ? reason : Reason.QUERY_IMAGE, detail);
        } else {
            pending.settle(job.index(), new CandidateState.Rejected(reason, detail));
            answerIfComplete(pending);
        }
    }

    /** The next pass, or null when nothing is ready that it would still serve. */
    @Nullable
    PlannedPass nextPass(long now) {
        // planned, not done: the last one may still run
        boolean backfillFirst = lastPlanned == Lane.REALTIME && device.backfillIsDue(settings.backfillMinShare(), now);
        PlannedPass first = nextPass(backfillFirst ? Lane.BACKFILL : Lane.REALTIME, now);
        return first != null ? first : nextPass(backfillFirst ? Lane.REALTIME : Lane.BACKFILL, now);
    }

    /** Most urgent lists first; none that the pass's estimated end doesn't serve. */
    private @Nullable PlannedPass nextPass(Lane lane, long now) {
        List<Pass.Group> groups = new ArrayList<>();
        List<ListInFlight> owners = new ArrayList<>();
        List<List<Integer>> indices = new ArrayList<>();
        int most = lane == Lane.REALTIME ? realtimeRoom() : passTokens;
        int room = most;
        for (ListInFlight pending : lists) {
            if (pending.prefix == null || pending.lane() != lane) {
                continue;
            }
            // the first owner's deadline is the nearest
            long latestEnd = owners.isEmpty() ? pending.deadline : owners.get(0).deadline;
            int left = room - pending.prefix.tokens().length;
            List<Integer> taken = new ArrayList<>();
            List<PromptPart> segments = new ArrayList<>();
            for (int i = 0; i < pending.outcomes.length; i++) {
                if (!(pending.outcomes[i] instanceof CandidateState.Ready ready)) {
                    continue;
                }
                int after = left - ready.segment().tokens().length;
                boolean first = groups.isEmpty() && taken.isEmpty();
                if ((after < 0 && !first) || now + device.estimate(most - after, now) > latestEnd) {
                    break;
                }
                left = after;
                taken.add(i);
                segments.add(ready.segment());
            }
            if (taken.isEmpty()) {
                continue;
            }
            taken.forEach(i -> pending.outcomes[i] =
                    new CandidateState.Running(((CandidateState.Ready) pending.outcomes[i]).segment()));
            groups.add(new Pass.Group(pending.prefix, segments));
            owners.add(pending);
            indices.add(taken);
            room = left;
            if (room <= 0) {
                break;
            }
        }
        if (groups.isEmpty()) {
            return null;
        }
        lastPlanned = lane;
        return new PlannedPass(new Pass(groups), owners, indices);
    }

    /**
     * Tokens for the next realtime pass: a part of what waits, because whoever is in a pass waits for all of it; but
     * enough that a pass's fixed cost counts little, and the most urgent list whole where it fits.
     */
    private int realtimeRoom() {
        long waiting = 0;
        int first = 0;
        for (ListInFlight pending : lists) {
            if (pending.lane() != Lane.REALTIME || waiting >= (long) REALTIME_PART * passTokens) {
                break;
            }
            waiting += pending.readyTokens();
            first = first == 0 ? (int) Math.min(passTokens, waiting) : first;
        }
        long part = Math.max(waiting / REALTIME_PART, passTokens / REALTIME_LEAST_PART);
        return (int) Math.min(passTokens, Math.max(first, part));
    }

    /** A pass did not fit the device's memory: later ones hold at most half of it, for a while. */
    void shrink(Pass tooLarge) {
        passTokens = Math.max(1, Math.min(passTokens, tooLarge.tokens() / 2));
        passesThatFit = 0;
    }

    /** A shortage of memory passes, and a limit that is tried too early costs one pass in so many. */
    private void grow() {
        if (passTokens < mostPassTokens && ++passesThatFit == PASSES_TO_GROW) {
            passesThatFit = 0;
            passTokens = (int) Math.min(mostPassTokens, 2L * passTokens);
            LOG.info("{} passes fit the device's memory: they may hold {} tokens now", PASSES_TO_GROW, passTokens);
        }
    }

    /** Tokens that a pass may hold now. */
    int passTokens() {
        return passTokens;
    }

    /** Nanoseconds that a pass takes on average; 0 when nothing is known. */
    long expectedNanos(Pass pass, long now) {
        return device.expected(pass.tokens(), now);
    }

    /**
     * @param passScores one for each candidate of the pass, in its order, as {@link GuardedScorer#await} returns them
     * @param imageHits for each of its lists how many images needed no vision tower; none for a scorer without one
     */
    void scored(PlannedPass planned, float[] passScores, int[] imageHits, long passNanos, long now) {
        grow();
        device.spent(planned.owners().get(0).lane(), planned.pass().tokens(), passNanos, now);
        int next = 0;
        for (int g = 0; g < planned.owners().size(); g++) {
            ListInFlight pending = planned.owners().get(g);
            Pass.Group group = planned.pass().groups().get(g);
            List<Integer> indices = planned.indices().get(g);
            if (!pending.answered) {
                pending.charge(passNanos, group, g < imageHits.length ? imageHits[g] : 0);
            }
            for (int i = 0; i < indices.size(); i++) {
                float score = passScores[next++];
                if (Float.isFinite(score)) {
                    scores.put(key(group.prefix(), group.candidates().get(i)), score);
                }
                if (!pending.answered) {
                    PromptPart segment = group.candidates().get(i);
                    encoding.count(-segment.bytes());
                    pending.settle(
                            indices.get(i),
                            Float.isFinite(score)
                                    ? scored(score, group.prefix(), segment)
                                    : CandidateState.unscored(score));
                }
            }
            answerIfComplete(pending);
        }
    }

    private @Nullable String remark(PromptPart prefix, PromptPart candidate) {
        int tokens = prefix.tokens().length + candidate.tokens().length;
        return tokens <= settings.trainedPairTokens()
                ? null
                : "query and candidate need " + tokens + " tokens; the network was trained on "
                        + settings.trainedPairTokens() + " (pair.trained-tokens)";
    }

    /** The deadline came: answers with what has been scored. */
    void expire(ListInFlight pending) {
        answer(pending, Reason.DEADLINE, "the deadline came before every candidate was scored");
    }

    private void answerIfComplete(ListInFlight pending) {
        if (pending.complete()) {
            answer(pending, null, null);
        }
    }

    private void answer(ListInFlight pending, @Nullable Reason reason, @Nullable String detail) {
        if (!pending.answered) {
            cancel(pending);
            answered.add(new Answered(pending, model, reason, detail));
        }
    }

    /** Takes a list out for which nobody waits; what the device has of it is scored without effect. */
    void cancel(ListInFlight pending) {
        if (pending.answered) {
            return;
        }
        pending.answered = true;
        lists.remove(pending);
        encoding.remove(pending);
        encoding.count(-pending.encodedBytes());
        encoding.countPrefix(pending.prefix == null ? 0 : -pending.prefix.bytes());
    }

    /** Answers made since the last call. */
    List<Answered> drain() {
        List<Answered> drained = List.copyOf(answered);
        answered.clear();
        return drained;
    }

    /** Candidates in flight that are not settled. */
    long queued() {
        return lists.stream().mapToLong(ListInFlight::unsettled).sum();
    }

    /** Takes out everything in flight, for an engine that is dead or closed. */
    List<ListInFlight> abandon() {
        List<ListInFlight> abandoned = List.copyOf(lists);
        abandoned.forEach(pending -> pending.answered = true);
        lists.clear();
        encoding.clear();
        return abandoned;
    }

    /** Pairs whose score was known. */
    long scoreHits() {
        return scoreHits;
    }

    /** Lists in flight, by lane. */
    Map<Lane, EngineStats.Queue> queues(long now) {
        Map<Lane, EngineStats.Queue> queues = new EnumMap<>(Lane.class);
        for (ListInFlight pending : lists) {
            queues.merge(
                    pending.lane(),
                    new EngineStats.Queue(1, pending.unsettled(), pending.ageMillis(now)),
                    EngineStats.Queue::plus);
        }
        return queues;
    }
}
