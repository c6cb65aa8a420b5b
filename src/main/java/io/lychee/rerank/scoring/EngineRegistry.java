package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.ScoredList;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Shares the engines of this JVM, one for each network and device, between all subtasks and jobs. An engine lingers
 * after its last lease, so that a restarting job finds its network loaded.
 */
public final class EngineRegistry {

    private static final Logger LOG = LoggerFactory.getLogger(EngineRegistry.class);
    /** Its monitor guards the fields of its values, and is never held while an engine opens or closes. */
    private static final Map<Place, Shared> SHARED = new HashMap<>();

    private static final ScheduledThreadPoolExecutor CLOSER =
            new ScheduledThreadPoolExecutor(1, work -> Engine.daemon("lychee-engine-closer", work));

    /** Runs work on a thread of its own that a pool started: the pool's threads belong to no job. */
    private static final Executor APART = work -> ForkJoinPool.commonPool().execute(() -> {
        CLOSER.prestartCoreThread();
        Engine.daemon("lychee-load", work).start();
    });

    private static final AtomicLong DEATHS = new AtomicLong();

    private EngineRegistry() {}

    /** Counts engines of this JVM whose device failed. */
    public static long deaths() {
        return DEATHS.get();
    }

    static void countDeath() {
        DEATHS.incrementAndGet();
    }

    /**
     * Identifies engines that may be shared.
     *
     * @param network all that its answers and the device's memory depend on; compared, and kept with the engine
     * @param bounds other settings of its first user, which later ones take over
     */
    public record Key(Object network, String bounds) {}

    private record Place(Object network, String device) {}

    /** One engine, from the start of its loading until it is closed. */
    private static final class Shared {
        final Place place;
        final String bounds;
        final CompletableFuture<Engine> engine;

        int leases = 1;
        /** Counts leases and releases, so that a closing that a new lease overtook does nothing. */
        long changes;

        boolean closing;

        Shared(Place place, String bounds, Supplier<Engine> open) {
            this.place = place;
            this.bounds = bounds;
            this.engine = CompletableFuture.supplyAsync(open, APART).whenComplete((opened, error) -> {
                if (error != null) {
                    forget(this);
                }
            });
        }

        boolean isUsable() {
            return !closing
                    && (!engine.isDone()
                            || (!engine.isCompletedExceptionally()
                                    && !engine.join().isDead()));
        }

        /** Frees the device; waits for a load in flight, and for another thread that closes it. */
        void close() {
            engine.thenAccept(Engine::makeRoom).exceptionally(error -> null).join();
        }
    }

    /**
     * The right to use the engines of some devices until closed; then lists that are not answered leave them.
     * Thread-safe; closing twice does nothing.
     */
    public static final class Lease implements AutoCloseable {
        private final List<Shared> held = new ArrayList<>();
        /** Each gives up a list. */
        private final Set<Runnable> unanswered = ConcurrentHashMap.newKeySet();

        private final Duration linger;
        private boolean closed;

        private Lease(Duration linger) {
            this.linger = linger;
        }

        /** Submits the list to the engine with the least queued work; see {@link Engine#submit}. */
        public CompletableFuture<ScoredList> submit(CandidateList list, Arrival arrival) {
            CompletableFuture<ScoredList> answer = engine().submit(list, arrival);
            Runnable giveUp = () -> answer.cancel(false);
            unanswered.add(giveUp);
            var unused = answer.whenComplete((scored, error) -> unanswered.remove(giveUp));
            return answer;
        }

        /** Returns one for each device. */
        public List<Engine> engines() {
            return held.stream().map(shared -> shared.engine.join()).toList();
        }

        /** Sums a count over all engines. */
        public long sum(EngineCounters.Counter counter) {
            return engines().stream()
                    .mapToLong(engine -> engine.counters().get(counter))
                    .sum();
        }

        /** Returns the one with the least queued work. */
        public Engine engine() {
            return held.size() == 1
                    ? held.get(0).engine.join()
                    : engines().stream()
                            .min(Comparator.comparingLong(Engine::unsettled))
                            .orElseThrow();
        }

        @Override
        public synchronized void close() {
            if (!closed) {
                closed = true;
                unanswered.forEach(Runnable::run);
                held.forEach(shared -> release(shared, linger));
            }
        }
    }

    /**
     * Leases the engines of {@code key} on {@code devices}; opens one where there is none or the one there is dead.
     * Blocks while they load, which goes on when a caller is interrupted; callers with the same key share the load.
     *
     * @param open makes the engine of a device; nothing of it is kept
     * @param linger how long an engine stays after its last lease
     * @throws CancellationException when the thread is interrupted, as it still is then
     */
    public static Lease lease(Key key, List<String> devices, Function<String, Engine> open, Duration linger) {
        Lease lease = new Lease(linger);
        try {
            for (String device : devices) {
                Shared shared = share(key, device, open);
                lease.held.add(shared);
                await(shared.engine);
            }
        } catch (RuntimeException | Error e) {
            lease.close();
            throw e;
        }
        return lease;
    }

    private static Shared share(Key key, String device, Function<String, Engine> open) {
        Place place = new Place(key.network(), device);
        synchronized (SHARED) {
            Shared known = SHARED.get(place);
            if (known != null && known.isUsable()) {
                LOG.info("the engine on {} is there already; leases before this one: {}", device, known.leases);
                if (!known.bounds.equals(key.bounds())) {
                    LOG.info("it keeps the bounds it was opened with, {}; asked for: {}", known.bounds, key.bounds());
                }
                known.leases++;
                known.changes++;
                return known;
            }
            // a dead engine, or one that only lingers, must not keep the device's memory from this one
            List<Shared> before = SHARED.values().stream()
                    .filter(other -> other == known
                            || (other.leases == 0 && other.place.device().equals(device)))
                    .toList();
            before.forEach(other -> other.closing = true);
            before.forEach(EngineRegistry::forget);
            Shared shared = new Shared(place, key.bounds(), () -> {
                before.forEach(Shared::close);
                return open.apply(device);
            });
            SHARED.put(place, shared);
            return shared;
        }
    }

    private static void forget(Shared shared) {
        synchronized (SHARED) {
            SHARED.remove(shared.place, shared);
        }
    }

    private static void release(Shared shared, Duration linger) {
        synchronized (SHARED) {
            shared.leases--;
            long change = ++shared.changes;
            if (shared.leases == 0) {
                var unused = CLOSER.schedule(() -> closeIdle(shared, change), linger.toMillis(), TimeUnit.MILLISECONDS);
            }
        }
    }

    private static void closeIdle(Shared shared, long change) {
        synchronized (SHARED) {
            if (shared.changes != change || shared.closing) {
                return;
            }
            shared.closing = true; // and still known, so that the next one waits for it
        }
        var unused = shared.engine.thenAccept(engine -> {
            LOG.info("closing an engine on {} that has no lease any more", shared.place.device());
            engine.close();
            forget(shared);
        });
    }

    /**
     * Calls on a thread of its own and waits. A thread keeps the context class loader and the protection domains of the
     * one that started it: threads that a network's libraries start under a task would keep that job's classes loaded.
     *
     * @throws CancellationException when the waiting thread is interrupted, as it still is then; the call goes on
     */
    public static <T> T apart(Supplier<T> call) {
        return await(CompletableFuture.supplyAsync(call, APART));
    }

    private static <T> T await(CompletableFuture<T> result) {
        try {
            return result.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("interrupted while a network loads, which goes on");
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            if (e.getCause() instanceof Error cause) {
                throw cause;
            }
            throw new IllegalStateException(e.getCause());
        }
    }
}
