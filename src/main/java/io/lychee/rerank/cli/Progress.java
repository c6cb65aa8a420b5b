package io.lychee.rerank.cli;

import io.lychee.rerank.scoring.EngineStats;
import java.io.PrintStream;
import java.time.Duration;

/** One line on standard error about lists done, the rate and the time left; rewritten in a terminal. */
final class Progress {

    private static final int BAR = 24;
    private static final long EVERY_NANOS = Duration.ofSeconds(5).toNanos();

    private final PrintStream out = System.err;
    /** The launcher knows whether standard error is a terminal. */
    private final boolean terminal = Boolean.getBoolean("lychee.terminal");

    private final long done;
    private final long total;
    private final EngineStats before;
    private final long start = System.nanoTime();
    private long printed = start;

    /**
     * @param done lists of {@code total} that earlier runs did
     * @param before what the engine had done already
     */
    Progress(long done, long total, EngineStats before) {
        this.done = done;
        this.total = total;
        this.before = before;
    }

    void show(EngineStats stats) {
        long now = System.nanoTime();
        if (terminal || now - printed >= EVERY_NANOS) {
            printed = now;
            String line = line(done + stats.answered() - before.answered(), stats);
            out.print(terminal ? "\r" + line + " " : line + "\n");
            out.flush();
        }
    }

    /** @param lists answered or dead, in earlier runs too */
    void finish(long lists, EngineStats stats) {
        out.println((terminal ? "\r" : "") + line(lists, stats) + " ");
    }

    private String line(long all, EngineStats stats) {
        double seconds = (System.nanoTime() - start) / 1e9;
        long lists = stats.answered() - before.answered();
        double share = total == 0 ? 1 : Math.min(1, (double) all / total);
        int filled = (int) (share * BAR);
        String left = lists == 0 || share == 1 ? "" : ", " + duration(seconds / lists * (total - all)) + " left";
        return "%s%s %d of %d lists, %.1f lists/s, %.1f pairs/s, %s%s"
                .formatted(
                        "█".repeat(filled),
                        "░".repeat(BAR - filled),
                        all,
                        total,
                        lists / seconds,
                        (stats.pairs() - before.pairs()) / seconds,
                        duration(seconds),
                        left);
    }

    private static String duration(double seconds) {
        long s = Math.round(seconds);
        return s < 60
                ? s + " s"
                : s < 3600 ? "%d:%02d min".formatted(s / 60, s % 60) : "%d:%02d h".formatted(s / 3600, s / 60 % 60);
    }
}
