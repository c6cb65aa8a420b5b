package io.lychee.rerank.scoring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@Timeout(60)
class EngineTest {

    private final TestingEncoder encoder = new TestingEncoder();
    private final TestingScorer scorer = new TestingScorer();
    private Engine engine = new Engine(encoder, scorer, Lists.settings(100), Ticker.system());

    @AfterEach
    void close() {
        encoder.stuck.countDown();
        engine.close();
    }

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
        while (scorer.passes.isEmpty()) {
            Thread.onSpinWait(); // until the device has the first list
        }
        for (int i = 0; i < 3; i++) {
            answers.add(submit("q" + i, List.of("a", "b")));
        }
        while (engine.stats().encodedBytes() < 4 * (5 * 4) + 7 * 4) {
            Thread.onSpinWait(); // four prefixes of 5 tokens and 7 candidates of one
        }
        scorer.hold.countDown();
        for (CompletableFuture<RerankedList> answer : answers) {
            assertThat(answer.get().status()).isEqualTo(ListStatus.COMPLETE);
        }
        assertThat(scorer.passes).hasSize(2);
        assertThat(scorer.passes.get(1).groups()).hasSize(3);
        assertThat(engine.stats()).satisfies(stats -> {
            assertThat(stats.pairs()).isEqualTo(7);
            assertThat(stats.passes()).isEqualTo(2);
            assertThat(stats.encodedBytes()).isZero();
        });
    }

    @Test
    void anImageHostThatNeverAnswersHoldsUpNoText() throws Exception {
        CompletableFuture<RerankedList> held =
                engine.submit(Lists.withImages("held", 10, 1), realtimeNow(), CallerSettings.NONE);

        assertThat(submit("q", List.of("a", "b")).get().status()).isEqualTo(ListStatus.COMPLETE);
        assertThat(held).isNotDone();
    }

    @Test
    void theDeadlineIsKeptWhileTheDeviceIsBusy() throws Exception {
        scorer.hold = new CountDownLatch(1);
        RerankedList answer = engine.submit(Lists.of("q", 3, null, 50L), realtimeNow(), CallerSettings.NONE)
                .get();

        assertThat(answer.status()).isEqualTo(ListStatus.UNSCORED);
        assertThat(answer.results()).extracting(RankedCandidate::reason).containsOnly(Reason.DEADLINE);
        scorer.hold.countDown();
        assertThat(submit("next", List.of("a")).get().status()).isEqualTo(ListStatus.COMPLETE);
    }

    @Test
    void aListThatItsCallerGaveUpIsScoredForNobody() throws Exception {
        scorer.hold = new CountDownLatch(1);
        CompletableFuture<RerankedList> running = submit("running", List.of("a"));
        while (scorer.passes.isEmpty()) {
            Thread.onSpinWait(); // until the device has the first list
        }
        List<CompletableFuture<RerankedList>> givenUp = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            givenUp.add(submit("given-up-" + i, List.of("b", "c")));
        }
        givenUp.add(engine.submit(Lists.of("deadline", 2, null, 60_000L), realtimeNow(), CallerSettings.NONE));
        CompletableFuture<RerankedList> live = submit("live", List.of("d"));
        givenUp.add(running);
        givenUp.forEach(answer -> answer.cancel(false));

        assertThat(engine.stats().queue(io.lychee.rerank.domain.Lane.REALTIME).lists())
                .isEqualTo(1);
        scorer.hold.countDown();
        assertThat(live.get().status()).isEqualTo(ListStatus.COMPLETE);
        assertThat(scorer.passes).hasSize(2);
        assertThat(scorer.passes.get(1).candidates()).isEqualTo(1);
        assertThat(engine.stats().encodedBytes()).isZero();
        assertThat(engine.stats().answered()).isEqualTo(1);
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
        RerankedList answer =
                engine.submit(list, realtimeNow(), CallerSettings.NONE).get();

        assertThat(answer.status()).isEqualTo(ListStatus.UNSCORED);
        assertThat(answer.reason()).isEqualTo(Reason.OVER_BUDGET);
        assertThat(answer.detail()).contains(failure.getClass().getSimpleName());
        assertThat(answer.results()).hasSize(2);
        assertThat(engine.isDead()).isFalse();
    }

    @Test
    void textsArePreparedByEncodingThreads() throws Exception {
        assertThat(submit("q", List.of("a", "b")).get().status()).isEqualTo(ListStatus.COMPLETE);

        assertThat(encoder.preparing)
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

    @Test
    void aLeaseThatIsClosedTakesItsOwnListsAlong() throws Exception {
        scorer.hold = new CountDownLatch(1);
        EngineRegistry.Lease leaving =
                EngineRegistry.lease("lists", List.of("cpu"), device -> engine, Duration.ofMinutes(5));
        try (EngineRegistry.Lease staying =
                EngineRegistry.lease("lists", List.of("cpu"), device -> null, Duration.ZERO)) {
            for (int i = 0; i < 20; i++) {
                var unused = leaving.submit(Lists.of("leaving" + i, 2), realtimeNow());
            }
            CompletableFuture<RerankedList> stays = staying.submit(Lists.of("stays", 2), realtimeNow());
            leaving.close();

            assertThat(engine.stats()
                            .queue(io.lychee.rerank.domain.Lane.REALTIME)
                            .lists())
                    .isEqualTo(1);
            scorer.hold.countDown();
            assertThat(stays.get().status()).isEqualTo(ListStatus.COMPLETE);
            assertThat(engine.stats().answered()).isEqualTo(1);
        }
    }

    @Test
    void callersThatShareAnEngineKeepTheirRulesAndTimeouts() throws Exception {
        Rules dropAll = Rules.parse(List.of("all: score >= 0 -> drop"));
        CompletableFuture<RerankedList> plain = submit("plain", List.of("a"));
        CompletableFuture<RerankedList> dropped =
                engine.submit(Lists.of("dropped", 1), realtimeNow(), new CallerSettings(dropAll, 0, 0));

        assertThat(plain.get().results()).hasSize(1);
        assertThat(dropped.get().leftOut()).extracting(RankedCandidate::rules).containsExactly(List.of("all"));
        scorer.hold = new CountDownLatch(1);
        RerankedList late = engine.submit(Lists.of("late", 1), realtimeNow(), new CallerSettings(Rules.NONE, 50, 0))
                .get();
        assertThat(late.reason()).isEqualTo(Reason.DEADLINE);
        scorer.hold.countDown();
    }

    @Test
    void aLoadCanBeInterruptedAndIsFoundByTheNextLease() throws Exception {
        CountDownLatch loading = new CountDownLatch(1);
        CountDownLatch loaded = new CountDownLatch(1);
        AtomicInteger loads = new AtomicInteger();
        Function<String, Engine> slow = device -> {
            loads.incrementAndGet();
            loading.countDown();
            try {
                loaded.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            return engine;
        };
        List<CompletableFuture<Boolean>> gaveUp = new ArrayList<>();
        List<Thread> waiting = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            CompletableFuture<Boolean> interrupted = new CompletableFuture<>();
            gaveUp.add(interrupted);
            Thread thread = new Thread(() -> {
                try {
                    EngineRegistry.lease("slow", List.of("cpu"), slow, Duration.ofMinutes(5));
                } catch (CancellationException e) {
                    interrupted.complete(Thread.currentThread().isInterrupted());
                }
            });
            thread.start();
            waiting.add(thread);
            loading.await();
        }
        waiting.forEach(Thread::interrupt);
        for (CompletableFuture<Boolean> interrupted : gaveUp) {
            assertThat(interrupted.get(20, TimeUnit.SECONDS))
                    .as("interrupted still")
                    .isTrue();
        }
        loaded.countDown();
        try (EngineRegistry.Lease next = EngineRegistry.lease("slow", List.of("cpu"), slow, Duration.ZERO)) {
            assertThat(next.engine()).isSameAs(engine);
        }
        assertThat(loads).hasValue(1);
    }

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
        while (scorer.passes.isEmpty()) {
            Thread.onSpinWait(); // until the device has the first list
        }
        CompletableFuture<RerankedList> reranked = submit("q", List.of("a", "b", "c", "d", "e", "too long", "f", "g"));
        while (engine.stats().encodedBytes() < 4 * (2 * 5 + 8 + 8)) {
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
        assertThat(engine.stats().passTokens()).isLessThan(12);
        assertThat(engine.stats().memoryFailures()).isPositive();
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
        engine = new Engine(encoder, scorer, settings, Ticker.system());
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

    @Test
    void leasesShareAnEngineAndReplaceADeadOne() {
        EngineRegistry.Lease first = EngineRegistry.lease("k", List.of("cpu"), device -> engine, Duration.ofMinutes(5));
        EngineRegistry.Lease second = EngineRegistry.lease("k", List.of("cpu"), device -> null, Duration.ofMinutes(5));
        assertThat(second.engine()).isSameAs(engine);
        first.close();
        assertThatThrownBy(() -> EngineRegistry.lease(
                        "other",
                        List.of("cpu"),
                        device -> {
                            throw new IllegalStateException("no checkpoint");
                        },
                        Duration.ZERO))
                .hasMessage("no checkpoint");

        engine.close();
        Engine replacement = new Engine(encoder, scorer, Lists.settings(40), Ticker.system());
        try (EngineRegistry.Lease third =
                EngineRegistry.lease("k", List.of("cpu"), device -> replacement, Duration.ofMinutes(5))) {
            assertThat(third.engine()).isSameAs(replacement);
        }
        second.close();
        replacement.close();
    }

    /** A job that is started again with another key needs the memory. */
    @Test
    void whatLingersGivesWayToAnotherConfiguration() {
        EngineRegistry.lease("before", List.of("cuda:0"), device -> engine, Duration.ofMinutes(5))
                .close();
        Engine second = new Engine(new TestingEncoder(), new TestingScorer(), Lists.settings(40), Ticker.system());
        try (EngineRegistry.Lease after = EngineRegistry.lease(
                "after",
                List.of("cuda:0"),
                device -> {
                    assertThat(scorer.closed).isTrue();
                    return second;
                },
                Duration.ZERO)) {
            assertThat(after.engine()).isSameAs(second);
        }
    }

    @Test
    void aListGoesToTheDeviceWithTheLeastQueuedWork() {
        scorer.hold = new CountDownLatch(1);
        Engine second = new Engine(new TestingEncoder(), new TestingScorer(), Lists.settings(40), Ticker.system());
        try (EngineRegistry.Lease both = EngineRegistry.lease(
                "two",
                List.of("cuda:0", "cuda:1"),
                device -> device.equals("cuda:0") ? engine : second,
                Duration.ZERO)) {
            assertThat(both.engines()).containsExactly(engine, second);
            assertThat(both.engine()).isSameAs(engine);
            CompletableFuture<RerankedList> held = submit("q", List.of("a"));

            assertThat(both.engine()).isSameAs(second);
            scorer.hold.countDown();
            held.join();
        }
    }

    private CompletableFuture<RerankedList> submit(String id, List<String> texts) {
        return engine.submit(Lists.withTexts(id, texts, null, null), realtimeNow(), CallerSettings.NONE);
    }

    private static Arrival realtimeNow() {
        return new Arrival(io.lychee.rerank.domain.Lane.REALTIME, -1, System.currentTimeMillis());
    }
}
