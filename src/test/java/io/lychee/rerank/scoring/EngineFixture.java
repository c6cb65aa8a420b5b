package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.ranking.Ranking;
import io.lychee.rerank.ranking.Rules;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;

/** An engine whose encoder and device the test holds. */
abstract class EngineFixture {

    final TestingEncoder encoder = new TestingEncoder();
    final TestingScorer scorer = new TestingScorer();
    Engine engine = new Engine(encoder, scorer, Lists.settings(100), Ticker.system(), error -> {});

    @AfterEach
    void close() {
        encoder.stuck.countDown();
        engine.close();
    }

    CompletableFuture<RerankedList> submit(String id, List<String> texts) {
        return submit(Lists.withTexts(id, texts, null, null));
    }

    /** Submits, and ranks the answer without rules. */
    CompletableFuture<RerankedList> submit(CandidateList list) {
        return engine.submit(list, realtimeNow()).thenApply(scored -> Ranking.rank(list, scored, Rules.NONE));
    }

    static Arrival realtimeNow() {
        return new Arrival(Lane.REALTIME, -1, System.currentTimeMillis(), 0);
    }

    /** Spins until the device has its first pass. */
    void awaitFirstPass() {
        while (scorer.passes.isEmpty()) {
            Thread.onSpinWait();
        }
    }
}
