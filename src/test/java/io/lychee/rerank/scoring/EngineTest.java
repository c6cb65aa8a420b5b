package io.lychee.rerank.scoring;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.ScoredList;
import io.lychee.rerank.scoring.EngineCounters.Counter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@Timeout(60)
class EngineTest extends EngineFixture {

    @Test
    void ranksByScore() throws Exception {
        RerankedList answer = submit("q", List.of("a", "c", "b")).get();

        assertThat(answer.status()).isEqualTo(ListStatus.COMPLETE);
        assertThat(answer.results()).extracting(RankedCandidate::id).containsExactly("c1", "c2", "c0");
        assertThat(answer.results().get(0).score()).isEqualTo('c' / 128f);
        assertThat(answer.latency().total())
                .isEqualTo(answer.latency().source()
                        + answer.latency().encode()
                        + answer.latency().queue()
                        + answer.latency().score());
    }

    @Test
    void aBrokenCandidateIsAResultBesideGoodOnes() throws Exception {
        RerankedList answer =
                submit("q", List.of("a", "bad", "no-image", " ", "b")).get();

        assertThat(answer.status()).isEqualTo(ListStatus.COMPLETE);
        assertThat(answer.results()).extracting(RankedCandidate::id).containsExactly("c4", "c0");
        assertThat(answer.leftOut())
                .extracting(RankedCandidate::reason)
                .containsExactly(Reason.IMAGE_UNREADABLE, Reason.IMAGE_NOT_FOUND, Reason.EMPTY);
    }

    @Test
    void anErrorAfterFetchingIsAReasonToo() throws Exception {
        RerankedList answer = submit("q", List.of("a", "broken-fetch", "b")).get();

        assertThat(answer.status()).isEqualTo(ListStatus.COMPLETE);
        assertThat(answer.results()).extracting(RankedCandidate::id).containsExactly("c2", "c0");
        assertThat(answer.leftOut()).singleElement().satisfies(candidate -> {
            assertThat(candidate.reason()).isEqualTo(Reason.IMAGE_NOT_FOUND);
            assertThat(candidate.detail()).contains("NullPointerException");
        });
    }

    @Test
    void whatQueuesWhileTheDeviceIsBusySharesTheNextPass() throws Exception {
        scorer.hold = new CountDownLatch(1);
        List<CompletableFuture<RerankedList>> answers = new ArrayList<>();
        answers.add(submit("first", List.of("a")));
        awaitFirstPass();
        for (int i = 0; i < 3; i++) {
            answers.add(submit("q" + i, List.of("a", "b")));
        }
        while (engine.encodedBytes() < 4 * (5 * 4) + 7 * 4) {
            Thread.onSpinWait(); // four prefixes of 5 tokens and 7 candidates of one
        }
        scorer.hold.countDown();
        for (CompletableFuture<RerankedList> answer : answers) {
            assertThat(answer.get().status()).isEqualTo(ListStatus.COMPLETE);
        }
        assertThat(scorer.passes).hasSize(2);
        assertThat(scorer.passes.get(1).groups()).hasSize(3);
        assertThat(engine.counters().get(Counter.PAIRS)).isEqualTo(7);
        assertThat(engine.counters().get(Counter.PASSES)).isEqualTo(2);
        assertThat(engine.encodedBytes()).isZero();
    }

    @Test
    void anImageHostThatNeverAnswersHoldsUpNoText() throws Exception {
        CompletableFuture<RerankedList> held = submit(Lists.withImages("held", 10, 1));

        assertThat(submit("q", List.of("a", "b")).get().status()).isEqualTo(ListStatus.COMPLETE);
        assertThat(held).isNotDone();
    }

    @Test
    void theDeadlineIsKeptWhileTheDeviceIsBusy() throws Exception {
        scorer.hold = new CountDownLatch(1);
        RerankedList answer = submit(Lists.of("q", 3, null, 50L)).get();

        assertThat(answer.status()).isEqualTo(ListStatus.UNSCORED);
        assertThat(answer.results()).extracting(RankedCandidate::reason).containsOnly(Reason.DEADLINE);
        scorer.hold.countDown();
        assertThat(submit("next", List.of("a")).get().status()).isEqualTo(ListStatus.COMPLETE);
    }

    @Test
    void aListWithoutATimeoutTakesItsCallersAndZeroIsNone() throws Exception {
        scorer.hold = new CountDownLatch(1);
        Arrival late = new Arrival(Lane.REALTIME, -1, System.currentTimeMillis(), 50);
        CompletableFuture<ScoredList> endless = engine.submit(Lists.of("endless", 1), realtimeNow());

        assertThat(engine.submit(Lists.of("late", 1), late).get().reason()).isEqualTo(Reason.DEADLINE);
        assertThat(endless).isNotDone();
        scorer.hold.countDown();
        assertThat(endless.get().status()).isEqualTo(ListStatus.COMPLETE);
    }

    @Test
    void aListThatItsCallerGaveUpIsScoredForNobody() throws Exception {
        scorer.hold = new CountDownLatch(1);
        CompletableFuture<ScoredList> running =
                engine.submit(Lists.withTexts("running", List.of("a"), null, null), realtimeNow());
        awaitFirstPass();
        List<CompletableFuture<ScoredList>> givenUp = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            givenUp.add(engine.submit(Lists.of("given-up-" + i, 2), realtimeNow()));
        }
        givenUp.add(engine.submit(Lists.of("deadline", 2, null, 60_000L), realtimeNow()));
        CompletableFuture<RerankedList> live = submit("live", List.of("d"));
        givenUp.add(running);
        givenUp.forEach(answer -> answer.cancel(false));

        assertThat(engine.queue(Lane.REALTIME).lists()).isEqualTo(1);
        scorer.hold.countDown();
        assertThat(live.get().status()).isEqualTo(ListStatus.COMPLETE);
        assertThat(scorer.passes).hasSize(2);
        assertThat(scorer.passes.get(1).candidates()).isEqualTo(1);
        assertThat(engine.encodedBytes()).isZero();
        assertThat(engine.counters().get(Counter.ANSWERED)).isEqualTo(1);
    }

    static Stream<Throwable> failures() {
        return Stream.of(
                new StackOverflowError(),
                new UnsatisfiedLinkError("no libwebp"),
                new OutOfMemoryError("heap"),
                new IllegalStateException("a mistake"));
    }

    @ParameterizedTest
    @MethodSource("failures")
    void whateverACandidateMakesTheEncoderThrowIsItsRejection(Throwable failure) throws Exception {
        encoder.failure = failure;
        RerankedList answer = submit("q", List.of("a", "throws", "b")).get();

        assertThat(answer.status()).isEqualTo(ListStatus.COMPLETE);
        assertThat(answer.results()).extracting(RankedCandidate::id).containsExactly("c2", "c0");
        assertThat(answer.leftOut()).singleElement().satisfies(candidate -> {
            assertThat(candidate.reason()).isEqualTo(Reason.OVER_BUDGET);
            assertThat(candidate.detail()).contains(failure.getClass().getSimpleName());
        });
        assertThat(engine.isDead()).isFalse();
    }

    @ParameterizedTest
    @MethodSource("failures")
    void whateverAQueryMakesTheEncoderThrowIsItsAnswer(Throwable failure) throws Exception {
        encoder.failure = failure;
        CandidateList texts = Lists.of("q", 2);
        CandidateList list = new CandidateList(
                "q", null, Map.of(), new Content("throws", List.of()), texts.candidates(), null, null);
        RerankedList answer = submit(list).get();

        assertThat(answer.status()).isEqualTo(ListStatus.UNSCORED);
        assertThat(answer.reason()).isEqualTo(Reason.OVER_BUDGET);
        assertThat(answer.detail()).contains(failure.getClass().getSimpleName());
        assertThat(answer.results()).hasSize(2);
        assertThat(engine.isDead()).isFalse();
    }

    @Test
    void textsAreEncodedByEncodingThreads() throws Exception {
        assertThat(submit("q", List.of("a", "b")).get().status()).isEqualTo(ListStatus.COMPLETE);

        assertThat(encoder.encoding)
                .isNotEmpty()
                .allMatch(thread -> thread.getName().startsWith("lychee-encode"));
    }

    @Test
    void whatHangsInTheEncoderIsRejectedUntilTooManyDo() throws Exception {
        List<RuntimeException> deaths = new CopyOnWriteArrayList<>();
        restart(Duration.ofMillis(100), deaths::add);
        for (int i = 0; i < 2; i++) {
            RerankedList answer = submit("q" + i, List.of("a", "hangs", "b")).get();
            assertThat(answer.results()).extracting(RankedCandidate::id).containsExactly("c2", "c0");
            assertThat(answer.leftOut()).singleElement().satisfies(candidate -> {
                assertThat(candidate.reason()).isEqualTo(Reason.OVER_BUDGET);
                assertThat(candidate.detail()).contains("image.decode-timeout");
            });
        }
        assertThat(submit("texts", List.of("a", "b")).get().status()).isEqualTo(ListStatus.COMPLETE);
        assertThat(deaths).isEmpty();

        var unused = submit("one-too-many", List.of("hangs"));
        while (deaths.isEmpty()) {
            Thread.onSpinWait();
        }
        assertThat(deaths).singleElement().satisfies(death -> {
            assertThat(((ScoringException) death).isHang()).isTrue();
            assertThat(death).hasMessageContaining("encode.threads");
        });
        encoder.stuck.countDown();
    }

    @Test
    void whatWaitsForItsTurnInTheEncoderDoesNotHang() throws Exception {
        restart(Duration.ofMillis(20), error -> {});
        CompletableFuture<RerankedList> answer = submit("q", List.of("a", "waits"));
        long until = System.nanoTime() + Duration.ofMillis(100).toNanos();
        while (System.nanoTime() < until) {
            Thread.onSpinWait();
        }
        encoder.stuck.countDown();

        assertThat(answer.get().leftOut()).isEmpty();
    }

    private void restart(Duration encodeTimeout, Consumer<RuntimeException> onDeath) {
        engine.close();
        EngineSettings settings = Lists.settings(100, 1 << 20, Duration.ofSeconds(60), encodeTimeout);
        engine = new Engine(encoder, scorer, settings, Ticker.system(), onDeath);
    }
}
