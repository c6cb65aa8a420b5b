package io.lychee.rerank.cli;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * What a serving command has started. It is closed in reverse order, once: by the command, or in bounded time when the
 * process is asked to end (Ctrl-C, SIGTERM).
 */
final class Started implements AutoCloseable {

    private static final long MOST_MS = TimeUnit.SECONDS.toMillis(40);

    private final Deque<AutoCloseable> things = new ArrayDeque<>();
    private final Thread hook = new Thread(this::atExit, "at-exit");
    private volatile boolean stopping;

    Started() {
        Runtime.getRuntime().addShutdownHook(hook);
    }

    synchronized <T extends AutoCloseable> T add(T thing) {
        if (stopping) {
            throw new IllegalStateException("stopped while starting");
        }
        things.push(thing);
        return thing;
    }

    /** The process was asked to end: errors that follow are of no interest. */
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
            closing.join(MOST_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void closeAll() {
        for (AutoCloseable thing = next(); thing != null; thing = next()) {
            try {
                thing.close();
            } catch (Exception e) {
                System.err.println("lychee: while stopping: " + e);
            }
        }
    }

    private synchronized @Nullable AutoCloseable next() {
        return things.poll();
    }
}
