package io.lychee.rerank.cli;

import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.job.EmbeddedFlink;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Closes a command's resources in reverse order, once: at its end, or in bounded time after Ctrl-C and SIGTERM. Then it
 * drains the job first and halts the process, with exit code 0 when every list in flight was answered, else 1.
 */
public final class CloseOnExit implements AutoCloseable {

    private static final long MOST_MS = TimeUnit.SECONDS.toMillis(40);

    private final Deque<AutoCloseable> resources = new ArrayDeque<>();
    private final Thread hook = new Thread(this::atExit, "at-exit");
    private volatile boolean stopping;
    private volatile int exitCode;
    private volatile long drainMs;

    public CloseOnExit() {
        Runtime.getRuntime().addShutdownHook(hook);
    }

    public synchronized <T extends AutoCloseable> T add(T resource) {
        if (stopping) {
            throw new IllegalStateException("stopped while starting");
        }
        resources.push(resource);
        return resource;
    }

    /** Adds a job, drained when the process is asked to end, cancelled otherwise. */
    public EmbeddedFlink add(EmbeddedFlink job, Duration drainTimeout) {
        drainMs = drainTimeout.toMillis();
        add((AutoCloseable) () -> {
            try {
                if (stopping && !job.result().isDone()) {
                    drain(job, drainTimeout);
                }
            } finally {
                job.close();
            }
        });
        return job;
    }

    private void drain(EmbeddedFlink job, Duration timeout) throws Exception {
        System.err.println("stopping, when the lists in flight are answered");
        exitCode = 1;
        long open = job.drain(timeout);
        exitCode = open == 0 ? 0 : 1;
        System.err.println(
                open == 0
                        ? "every list that was taken is answered"
                        : "lychee: " + open + " lists are not answered after " + timeout.toSeconds() + " s ("
                                + ConfigKeys.DRAIN_TIMEOUT + "); nothing more is committed");
    }

    /** Reports that the process was asked to end; errors that follow are its consequence. */
    boolean stopping() {
        return stopping;
    }

    @Override
    public void close() {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            stopping = true; // the hook runs already
        }
        closeAll();
    }

    private void atExit() {
        stopping = true;
        Thread closing = new Thread(this::closeAll, "closing");
        closing.setDaemon(true);
        closing.start();
        try {
            closing.join(MOST_MS + drainMs);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        TempFolder.delete();
        // the signal's own exit code would report an unclean end
        Runtime.getRuntime().halt(exitCode);
    }

    private void closeAll() {
        for (AutoCloseable resource = next(); resource != null; resource = next()) {
            try {
                resource.close();
            } catch (Exception e) {
                System.err.println("lychee: while stopping: " + e);
            }
        }
    }

    private synchronized @Nullable AutoCloseable next() {
        return resources.poll();
    }
}
