package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.RerankedList;
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
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.ToLongFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engines of this JVM, one for each network and device, shared by every subtask and job. An engine lingers after
 * its last lease, so that a restarting job finds its network loaded. This is the one place with static state.
 */
public final class EngineRegistry {

    private static final Logger LOG = LoggerFactory.getLogger(EngineRegistry.class);
    /** Its monitor guards the fields of what it holds, and is never held while an engine opens or closes. */
    private static final Map<Place, Shared> SHARED = new HashMap<>();

    private static final ScheduledThreadPoolExecutor CLOSER =
            new ScheduledThreadPoolExecutor(1, work -> Engine.daemon("lychee-engine-closer", work));

    private static final AtomicLong DEATHS = new AtomicLong();

    private EngineRegistry() {}

    /** EngineRegistry of this JVM whose device failed. */
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
     * @param bounds what else its first user chose, and later ones take as it is
     */
    public record Key(Object network, String bounds) {}

    private record Place(Object network, String device) {}

    /** One engine, from the start of its loading until it is closed. */
    private static final class Shared {
        final Place place;
        final String bounds;
        final CompletableFuture<Engine> engine = new CompletableFuture<>();

        int leases;
        /** Counts leases and releases, so that a closing that was overtaken by a new lease does nothing. */
        long changes;

        boolean closing;

        Shared(Place place, String bounds) {
            this.place = place;
            this.bounds = bounds;
        }

        boolean isUsable() {
            return !closing
                    && (!engine.isDone()
                            || (!engine.isCompletedExceptionally()
                                    && !engine.join().isDead()));
        }

        boolean isIdle() {
            return leases == 0;
        }

        /** Frees the device; waits for a load under way, and for whoever else closes it. */
        void close() {
            engine.thenAccept(Engine::makeRoom).exceptionally(error -> null).join();
        }
    }

    private record Held(Shared shared, Engine engine) {}

    /**
     * The right to use the engines of some devices until closed; then lists that are not answered leave them.
     * Thread-safe; closing twice does nothing.
     */
    public static final class Lease implements AutoCloseable {
        private final List<Held> held = new ArrayList<>();
        /** Each gives up a list. */
        private final Set<Runnable> unanswered = ConcurrentHashMap.newKeySet();

        private final CallerSettings caller;
        private final Duration linger;
        private boolean closed;

        private Lease(CallerSettings caller, Duration linger) {
            this.caller = caller;
            this.linger = linger;
        }

        /** Hands the list to the engine with the least queued work; see {@link Engine#submit}. */
        public CompletableFuture<RerankedList> submit(CandidateList list, Arrival arrival) {
            CompletableFuture<RerankedList> answer = engine().submit(list, arrival, caller);
            Runnable giveUp = () -> answer.cancel(false);
            unanswered.add(giveUp);
            var unused = answer.whenComplete((reranked, error) -> unanswered.remove(giveUp));
            return answer;
        }

        /** One for each device. */
        public List<Engine> engines() {
            return held.stream().map(Held::engine).toList();
        }

        /** Of all of them. */
        public long sum(ToLongFunction<EngineStats> count) {
            return held.stream()
                    .mapToLong(one -> count.applyAsLong(one.engine.stats()))
                    .sum();
        }

        /** The one with the least queued work. */
        public Engine engine() {
            if (held.size() == 1) {
                return held.get(0).engine;
            }
            return held.stream()
                    .map(Held::engine)
                    .min(Comparator.comparingLong(Engine::queued))
                    .orElseThrow();
        }

        @Override
        public synchronized void close() {
            if (!closed) {
                closed = true;
                unanswered.forEach(Runnable::run);
                held.forEach(one -> release(one.shared, linger));
            }
        }
    }

    /** Leases what nobody shares by other settings. */
    public static Lease lease(String network, List<String> devices, Function<String, Engine> open, Duration linger) {
        return lease(new Key(network, ""), devices, open, CallerSettings.NONE, linger);
    }

    /**
     * Leases the engines of {@code key} on {@code devices}, opening one where there is none or the one there is dead.
     * Blocks while they load, which goes on without a caller that is interrupted; others that want the same wait for
     * the same load.
     *
     * @param open makes the engine of a device; nothing of it is kept
     * @param linger how long an engine stays after its last lease
     * @throws CancellationException when the thread is interrupted, as it still is then
     */
    public static Lease lease(
            Key key, List<String> devices, Function<String, Engine> open, CallerSettings caller, Duration linger) {
        Lease lease = new Lease(caller, linger);
        try {
            for (String device : devices) {
                Shared shared = share(key, device, open);
                try {
                    lease.held.add(new Held(shared, await(shared.engine)));
                } catch (RuntimeException | Error e) {
                    release(shared, linger);
                    throw e;
                }
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
            // what is dead, or only lingers, must not keep the device's memory from this one
            List<Shared> before = SHARED.values().stream()
                    .filter(other -> other == known
                            || (other.isIdle() && other.place.device().equals(device)))
                    .toList();
            before.forEach(other -> other.closing = true);
            Shared shared = new Shared(place, key.bounds());
            shared.leases = 1;
            before.forEach(other -> SHARED.remove(other.place, other));
            SHARED.put(place, shared);
            load(shared, before, open);
            return shared;
        }
    }

    private static void load(Shared shared, List<Shared> before, Function<String, Engine> open) {
        CompletableFuture<Engine> loading = start(() -> {
            before.forEach(Shared::close);
            return open.apply(shared.place.device());
        });
        var unused = loading.whenComplete((engine, error) -> {
            if (error == null) {
                shared.engine.complete(engine);
            } else {
                synchronized (SHARED) {
                    SHARED.remove(shared.place, shared);
                }
                shared.engine.completeExceptionally(error);
            }
        });
    }

    private static void release(Shared shared, Duration linger) {
        synchronized (SHARED) {
            shared.leases--;
            long change = ++shared.changes;
            if (shared.isIdle()) {
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
            LOG.info("closing an engine on {} that nobody leases any more", shared.place.device());
            engine.close();
            synchronized (SHARED) {
                SHARED.remove(shared.place, shared);
            }
        });
    }

    /**
     * Calls on a thread of its own and waits. A thread keeps the context class loader and the protection domains of
     * what started it: threads that a network's libraries start under a task would keep that job's classes for as long
     * as they live.
     *
     * @throws CancellationException when the waiting thread is interrupted, as it still is then; the call goes on
     */
    public static <T> T apart(Supplier<T> call) {
        return await(start(call));
    }

    private static <T> CompletableFuture<T> start(Supplier<T> call) {
        CompletableFuture<T> result = new CompletableFuture<>();
        // the pool's threads belong to nobody, and so does what they start
        ForkJoinPool.commonPool().execute(() -> {
            CLOSER.prestartCoreThread();
            Engine.daemon("lychee-load", () -> {
                        try {
                            result.complete(call.get());
                        } catch (Throwable e) {
                            result.completeExceptionally(e);
                        }
                    })
                    .start();
        });
        return result;
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
