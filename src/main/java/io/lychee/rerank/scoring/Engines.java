package io.lychee.rerank.scoring;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engines of this JVM, one for each key (network and device), shared by every subtask and job. An engine lingers
 * after its last lease, so that a restarting job finds its network loaded. This is the one place with static state.
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

    /** Engines of this JVM that were found dead and replaced. */
    public static long deaths() {
        return DEATHS.get();
    }

    /** One key's engine; its fields are guarded by its monitor. */
    private static final class Shared {
        @Nullable
        Engine engine;

        int leases;
        /** Counts releases, so that a closing that was overtaken by a new lease does nothing. */
        long releases;
    }

    /** The right to use an engine until closed. Thread-safe; closing twice does nothing. */
    public static final class Lease implements AutoCloseable {
        private final Shared shared;
        private final Engine engine;
        private final Duration linger;
        private boolean closed;

        private Lease(Shared shared, Engine engine, Duration linger) {
            this.shared = shared;
            this.engine = engine;
            this.linger = linger;
        }

        public Engine engine() {
            return engine;
        }

        @Override
        public void close() {
            synchronized (shared) {
                if (closed) {
                    return;
                }
                closed = true;
                if (shared.engine != engine) {
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
     * Leases the engine of {@code key}, opening it first where there is none or the one there is dead. Blocks while it
     * loads; others that want the same key wait for the same load.
     *
     * @param linger how long the engine stays after its last lease
     */
    public static Lease lease(String key, Supplier<Engine> open, Duration linger) {
        Shared shared;
        synchronized (SHARED) {
            shared = SHARED.computeIfAbsent(key, k -> new Shared());
        }
        synchronized (shared) {
            Engine engine = shared.engine;
            if (engine == null || engine.isDead()) {
                shared.engine = null;
                if (engine != null) {
                    DEATHS.incrementAndGet();
                    engine.close();
                }
                engine = open.get();
                shared.engine = engine;
                shared.leases = 0;
            }
            shared.leases++;
            return new Lease(shared, engine, linger);
        }
    }

    private static void closeIdle(Shared shared, long release) {
        synchronized (shared) {
            if (shared.leases == 0 && shared.releases == release && shared.engine != null) {
                LOG.info("closing an engine that nobody leases any more");
                shared.engine.close();
                shared.engine = null;
            }
        }
    }
}
