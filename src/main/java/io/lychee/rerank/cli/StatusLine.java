package io.lychee.rerank.cli;

import java.io.PrintStream;
import java.time.Duration;
import java.util.function.Supplier;

/** Prints a line of progress on standard error: rewritten in a terminal, else appended every five seconds. */
public final class StatusLine {

    private static final long EVERY_NANOS = Duration.ofSeconds(5).toNanos();

    private final PrintStream out = System.err;
    /** Set by the launcher when standard error is a terminal. */
    private final boolean terminal = Boolean.getBoolean("lychee.terminal");

    private long printed = System.nanoTime();

    public void show(Supplier<String> line) {
        long now = System.nanoTime();
        if (terminal || now - printed >= EVERY_NANOS) {
            printed = now;
            out.print(terminal ? "\r" + line.get() + " " : line.get() + "\n");
            out.flush();
        }
    }

    void finish(String line) {
        out.println((terminal ? "\r" : "") + line + " ");
    }
}
