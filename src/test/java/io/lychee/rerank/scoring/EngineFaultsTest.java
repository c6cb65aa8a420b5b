package io.lychee.rerank.scoring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.scoring.EngineCounters.Counter;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Faults of the device: what ends the engine, and what does not. */
@Timeout(60)
class EngineFaultsTest extends EngineFixture {

    @Test
    void aDeviceFailureFailsListsAndNeverScoresThem() {
        scorer.failure = new ScoringException("no device");
        CompletableFuture<RerankedList> answer = submit("q", List.of("a", "b"));

        assertThatThrownBy(answer::get).isInstanceOf(ExecutionException.class).hasRootCauseMessage("no device");
        assertThat(engine.isDead()).isTrue();
        assertThatThrownBy(() -> submit("later", List.of("a")).get()).hasRootCauseMessage("no device");
    }

    @Test
    void aPassThatDoesNotFitIsScoredInHalvesAndLaterOnesAreSmaller() throws Exception {
        scorer.memory = 12; // "query" and 7 more
        scorer.hold = new CountDownLatch(1);
        CompletableFuture<RerankedList> first = submit("first", List.of("z"));
        awaitFirstPass();
        CompletableFuture<RerankedList> reranked = submit("q", List.of("a", "b", "c", "d", "e", "too long", "f", "g"));
        while (engine.encodedBytes() < 4 * (2 * 5 + 8 + 8)) {
            Thread.onSpinWait(); // two prefixes, eight candidates of one token and one of eight
        }
        scorer.hold.countDown();
        RerankedList answer = reranked.get();

        assertThat(first.get().status()).isEqualTo(ListStatus.COMPLETE);
        assertThat(answer.status()).isEqualTo(ListStatus.COMPLETE);
        assertThat(answer.results())
                .extracting(RankedCandidate::id)
                .containsExactly("c7", "c6", "c4", "c3", "c2", "c1", "c0");
        assertThat(answer.leftOut()).singleElement().satisfies(c -> {
            assertThat(c.reason()).isEqualTo(Reason.OUT_OF_MEMORY);
            assertThat(c.score()).isNull();
        });
        assertThat(engine.passTokens()).isLessThan(12);
        assertThat(engine.counters().get(Counter.MEMORY_FAILURES)).isPositive();
        assertThat(engine.isDead()).isFalse();
    }

    @Test
    void listsThatFitNoDeviceDoNotKillIt() throws Exception {
        scorer.memory = 3;
        for (int i = 0; i < 4; i++) {
            assertThat(submit("q" + i, List.of("a", "b")).get().leftOut())
                    .extracting(RankedCandidate::reason)
                    .containsOnly(Reason.OUT_OF_MEMORY);
        }
        assertThat(engine.isDead()).isFalse();
    }

    @Test
    void aDeviceThatFitsNothingIsDead() {
        scorer.memory = 1;
        AtomicInteger deaths = new AtomicInteger();
        engine.close();
        engine = new Engine(encoder, scorer, Lists.settings(6), Ticker.system(), error -> deaths.incrementAndGet());
        CompletableFuture<RerankedList> answer = submit("q", List.of("a"));

        assertThatThrownBy(answer::get)
                .hasRootCauseMessage("the device has no score for a candidate, nor for a pass of one token");
        engine.close();
        assertThat(deaths).as("closing is no death").hasValue(1);
    }

    @Test
    void aPairWithoutANumberCostsNoOtherItsScore() throws Exception {
        scorer.notANumber = token -> token == 'b';

        RerankedList answer = submit("q", List.of("a", "b", "c")).get();

        assertThat(answer.results().stream()
                        .filter(c -> c.status() == CandidateStatus.SCORED)
                        .map(RankedCandidate::id))
                .hasSize(2);
        assertThat(answer.leftOut()).extracting(RankedCandidate::reason).containsExactly(Reason.NOT_A_NUMBER);
        assertThat(engine.isDead()).isFalse();
    }

    @Test
    void aDeviceThatNeverComesToANumberIsDead() {
        scorer.notANumber = token -> true;

        assertThatThrownBy(submit("q", List.of("a"))::get).hasMessageContaining("no score for a candidate");
        assertThat(engine.isDead()).isTrue();
    }

    @Test
    void aHangingPassKillsTheEngine() {
        engine.close();
        scorer.hold = new CountDownLatch(1);
        EngineSettings settings = Lists.settings(40, 1 << 20, Duration.ofMillis(50), Duration.ofSeconds(60));
        engine = new Engine(encoder, scorer, settings, Ticker.system(), error -> {});
        CompletableFuture<RerankedList> answer = submit("q", List.of("a"));

        assertThatThrownBy(answer::get).hasMessageContaining("pass.timeout");
        scorer.hold.countDown();
    }

    @Test
    void closingFailsWhatIsInFlightAndFreesTheNetwork() {
        scorer.hold = new CountDownLatch(1);
        CompletableFuture<RerankedList> answer = submit("q", List.of("a"));
        CompletableFuture<Void> closing = CompletableFuture.runAsync(engine::close);

        assertThatThrownBy(answer::get).hasRootCauseInstanceOf(Engine.EngineClosedException.class);
        scorer.hold.countDown();
        assertThat(closing).succeedsWithin(30, TimeUnit.SECONDS);
        assertThat(scorer.closed).isTrue();
        assertThat(encoder.closed).isTrue();
    }
}
