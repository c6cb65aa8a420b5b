package io.lychee.rerank.scoring;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engines of this JVM, one for each network and device, shared by every subtask and job. An engine lingers after
 * its last lease, so that a restarting job finds its network loaded. This is the one place with static state.
 */
public final class Engines {

    private static final Logger LOG = LoggerFactory.getLogger(Engines.class);
    private static final Map<String, Shared> SHARED = new HashMap<>();
    private static final ScheduledThreadPoolExecutor CLOSER = new ScheduledThreadPoolExecutor(1, work -> {
        Thread thread = new Thread(work, "lychee-engine-closer");
        thread.setDaemon(true);
        return thread;
    });

    private static final AtomicLong DEATHS = new AtomicLong();

    private Engines() {}

    /** Engines of this JVM whose device failed. */
    public static long deaths() {
        return DEATHS.get();
    }

    static void countDeath() {
        DEATHS.incrementAndGet();
    }

    /** One network on one device; its fields are guarded by its monitor. */
    private static final class Shared {
        final String device;

        @Nullable
        Engine engine;

        int leases;
        /** Counts releases, so that a closing that was overtaken by a new lease does nothing. */
        long releases;

        Shared(String device) {
            this.device = device;
        }

        synchronized boolean isEmpty() {
            return engine == null;
        }

        synchronized void closeIfIdle() {
            if (leases == 0 && engine != null) {
                LOG.info("closing an engine on {} that nobody leases any more", device);
                engine.close();
                engine = null;
            }
        }
    }

    private record Held(Shared shared, Engine engine) {}

    /** The right to use the engines of some devices until closed. Thread-safe; closing twice does nothing. */
    public static final class Lease implements AutoCloseable {
        private final List<Held> held = new ArrayList<>();
        private final Duration linger;
        private boolean closed;

        private Lease(Duration linger) {
            this.linger = linger;
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
                held.forEach(this::release);
            }
        }

        private void release(Held one) {
            Shared shared = one.shared;
            synchronized (shared) {
                if (shared.engine != one.engine) {
                    return; // it died and was replaced
                }
                shared.leases--;
                long release = ++shared.releases;
                if (shared.leases == 0) {
                    var unused =
                            CLOSER.schedule(() -> closeIdle(shared, release), linger.toMillis(), TimeUnit.MILLISECONDS);
                }
            }
        }
    }

    /**
     * Leases the engines of {@code network} on {@code devices}, opening one where there is none or the one there is
     * dead. Blocks while they load; others that want the same wait for the same load.
     *
     * @param open makes the engine of a device; nothing of it is kept
     * @param linger how long an engine stays after its last lease
     */
    public static Lease lease(String network, List<String> devices, Function<String, Engine> open, Duration linger) {
        Lease lease = new Lease(linger);
        try {
            for (String device : devices) {
                lease.held.add(hold(network + "|" + device, device, open));
            }
        } catch (RuntimeException | Error e) {
            lease.close();
            throw e;
        }
        return lease;
    }

    private static Held hold(String key, String device, Function<String, Engine> open) {
        Shared shared;
        synchronized (SHARED) {
            shared = SHARED.computeIfAbsent(key, k -> new Shared(device));
        }
        if (shared.isEmpty()) {
            // what only lingers, of another configuration, must not keep the device's memory from this one
            List<Shared> others;
            synchronized (SHARED) {
                others = SHARED.values().stream()
                        .filter(other -> other != shared && other.device.equals(device))
                        .toList();
            }
            others.forEach(Shared::closeIfIdle);
        }
        synchronized (shared) {
            Engine engine = shared.engine;
            if (engine == null || engine.isDead()) {
                shared.engine = null;
                if (engine != null) {
                    engine.close();
                }
                engine = apart(() -> open.apply(device));
                shared.engine = engine;
                shared.leases = 0;
            } else {
                LOG.info("the engine on {} is loaded already; leases before this one: {}", device, shared.leases);
            }
            shared.leases++;
            return new Held(shared, engine);
        }
    }

    /**
     * Calls on a thread of the common pool and waits. A thread keeps the context class loader and the protection
     * domains of what started it: threads that a network's libraries start under a task would keep that job's classes
     * for as long as they live.
     */
    public static <T> T apart(Supplier<T> call) {
        CompletableFuture<T> result = new CompletableFuture<>();
        ForkJoinPool.commonPool().execute(() -> {
            try {
                CLOSER.prestartCoreThread();
                result.complete(call.get());
            } catch (Throwable e) {
                result.completeExceptionally(e);
            }
        });
        try {
            return result.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            if (e.getCause() instanceof Error cause) {
                throw cause;
            }
            throw e;
        }
    }

    private static void closeIdle(Shared shared, long release) {
        synchronized (shared) {
            if (shared.releases == release) {
                shared.closeIfIdle();
            }
        }
    }
}
