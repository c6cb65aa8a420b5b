package io.lychee.rerank.scoring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.ScoredList;
import io.lychee.rerank.scoring.EngineCounters.Counter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class EngineRegistryTest extends EngineFixture {

    @Test
    void aLeaseThatIsClosedTakesItsOwnListsAlong() throws Exception {
        scorer.hold = new CountDownLatch(1);
        EngineRegistry.Lease leaving = EngineRegistry.lease(
                new EngineRegistry.Key("lists", ""), List.of("cpu"), device -> engine, Duration.ofMinutes(5));
        try (EngineRegistry.Lease staying = EngineRegistry.lease(
                new EngineRegistry.Key("lists", ""), List.of("cpu"), device -> null, Duration.ZERO)) {
            for (int i = 0; i < 20; i++) {
                var unused = leaving.submit(Lists.of("leaving" + i, 2), realtimeNow());
            }
            CompletableFuture<ScoredList> stays = staying.submit(Lists.of("stays", 2), realtimeNow());
            leaving.close();

            assertThat(engine.queue(Lane.REALTIME).lists()).isEqualTo(1);
            scorer.hold.countDown();
            assertThat(stays.get().status()).isEqualTo(ListStatus.COMPLETE);
            assertThat(engine.counters().get(Counter.ANSWERED)).isEqualTo(1);
        }
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
                    EngineRegistry.lease(
                            new EngineRegistry.Key("slow", ""), List.of("cpu"), slow, Duration.ofMinutes(5));
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
        try (EngineRegistry.Lease next =
                EngineRegistry.lease(new EngineRegistry.Key("slow", ""), List.of("cpu"), slow, Duration.ZERO)) {
            assertThat(next.engine()).isSameAs(engine);
        }
        assertThat(loads).hasValue(1);
    }

    @Test
    void leasesShareAnEngineAndReplaceADeadOne() {
        EngineRegistry.Lease first = EngineRegistry.lease(
                new EngineRegistry.Key("k", ""), List.of("cpu"), device -> engine, Duration.ofMinutes(5));
        EngineRegistry.Lease second = EngineRegistry.lease(
                new EngineRegistry.Key("k", ""), List.of("cpu"), device -> null, Duration.ofMinutes(5));
        assertThat(second.engine()).isSameAs(engine);
        first.close();
        assertThatThrownBy(() -> EngineRegistry.lease(
                        new EngineRegistry.Key("other", ""),
                        List.of("cpu"),
                        device -> {
                            throw new IllegalStateException("no checkpoint");
                        },
                        Duration.ZERO))
                .hasMessage("no checkpoint");

        engine.close();
        Engine replacement = new Engine(encoder, scorer, Lists.settings(40), Ticker.system(), error -> {});
        try (EngineRegistry.Lease third = EngineRegistry.lease(
                new EngineRegistry.Key("k", ""), List.of("cpu"), device -> replacement, Duration.ofMinutes(5))) {
            assertThat(third.engine()).isSameAs(replacement);
        }
        second.close();
        replacement.close();
    }

    /** A job that is started again with another key needs the memory. */
    @Test
    void whatLingersGivesWayToAnotherConfiguration() {
        EngineRegistry.lease(
                        new EngineRegistry.Key("before", ""),
                        List.of("cuda:0"),
                        device -> engine,
                        Duration.ofMinutes(5))
                .close();
        Engine second =
                new Engine(new TestingEncoder(), new TestingScorer(), Lists.settings(40), Ticker.system(), error -> {});
        try (EngineRegistry.Lease after = EngineRegistry.lease(
                new EngineRegistry.Key("after", ""),
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
        Engine second =
                new Engine(new TestingEncoder(), new TestingScorer(), Lists.settings(40), Ticker.system(), error -> {});
        try (EngineRegistry.Lease both = EngineRegistry.lease(
                new EngineRegistry.Key("two", ""),
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
}
