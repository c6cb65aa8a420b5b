package io.lychee.rerank.scoring;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.ranking.Ranking;
import io.lychee.rerank.ranking.Rules;
import java.util.List;

/** A schedule turned by hand: no thread, no device, no clock of its own. */
abstract class SchedulerFixture {

    static final ModelInfo MODEL = new ModelInfo("test", "0");

    final TestingTicker ticker = new TestingTicker();
    final Scheduler scheduler = scheduler(Lists.settings(40));
    private long sequence;

    static Scheduler scheduler(EngineSettings settings) {
        return new Scheduler(settings, Integer.MAX_VALUE, new EngineCounters());
    }

    /** Returns a list that is in no schedule yet. */
    ListInFlight list(CandidateList list, Lane lane, long timeoutMs) {
        return new ListInFlight(list, new Arrival(lane, -1, 1_000_000, timeoutMs), sequence++, ticker);
    }

    ListInFlight add(CandidateList list) {
        return add(list, Lane.REALTIME, 0);
    }

    ListInFlight add(CandidateList list, Lane lane, long timeoutMs) {
        ListInFlight pending = list(list, lane, timeoutMs);
        scheduler.add(pending, ticker.nanos());
        return pending;
    }

    /** Adds a list of one candidate to a schedule, encoded: a pass of 40 tokens. */
    void ready(Scheduler fresh, Lane lane) {
        ListInFlight pending = list(Lists.of("q", 1), lane, 0);
        fresh.add(pending, ticker.nanos());
        fresh.encoded(new EncodeTask(pending, EncodeTask.PREFIX), Lists.segment(10));
        fresh.encoded(new EncodeTask(pending, 0), Lists.segment(30));
    }

    void encodeAll(ListInFlight pending, int prefixTokens, int candidateTokens) {
        encode(pending, EncodeTask.PREFIX, prefixTokens);
        for (int i = 0; i < pending.states.length; i++) {
            encode(pending, i, candidateTokens);
        }
    }

    void encode(ListInFlight pending, int index, int tokens) {
        scheduler.encoded(new EncodeTask(pending, index), Lists.segment(tokens));
    }

    /** Fetches for a schedule; the prefix is taken to encode, and its candidates come in behind it. */
    void takePrefix(ListInFlight pending) {
        assertThat(scheduler.encodeQueue().nextEncode()).isEqualTo(new EncodeTask(pending, EncodeTask.PREFIX));
    }

    List<RerankedList> answers() {
        return answers(scheduler);
    }

    static List<RerankedList> answers(Scheduler scheduler) {
        return scheduler.drain().stream()
                .map(owner -> Ranking.rank(owner.list, owner.toAnswer(MODEL), Rules.NONE))
                .toList();
    }

    static List<String> ids(Scheduler.PlannedPass planned) {
        return planned.slices().stream()
                .map(slice -> slice.owner().list.requestId())
                .toList();
    }
}
