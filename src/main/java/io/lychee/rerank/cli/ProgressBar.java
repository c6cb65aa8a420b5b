package io.lychee.rerank.cli;

import io.lychee.rerank.scoring.EngineCounters.Counter;
import io.lychee.rerank.scoring.EngineRegistry;

/** Shows lists done, rates and the time left of a bounded run on a {@link StatusLine}. */
public final class ProgressBar {

    private static final int BAR = 24;

    private final StatusLine out = new StatusLine();
    private final long done;
    private final long total;
    private final EngineRegistry.Lease lease;
    private final long answered;
    private final long pairs;
    private final long start = System.nanoTime();

    /**
     * @param done lists of {@code total} answered by earlier runs
     * @param lease engines that answer the others; counted from now on
     */
    ProgressBar(long done, long total, EngineRegistry.Lease lease) {
        this.done = done;
        this.total = total;
        this.lease = lease;
        this.answered = lease.sum(Counter.ANSWERED);
        this.pairs = lease.sum(Counter.PAIRS);
    }

    void show() {
        out.show(() -> line(done + lease.sum(Counter.ANSWERED) - answered));
    }

    /** @param lists answered or dead-lettered, earlier runs included */
    void finish(long lists) {
        out.finish(line(lists));
    }

    private String line(long all) {
        double seconds = (System.nanoTime() - start) / 1e9;
        long lists = lease.sum(Counter.ANSWERED) - answered;
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
                        (lease.sum(Counter.PAIRS) - pairs) / seconds,
                        duration(seconds),
                        left);
    }

    public static String duration(double seconds) {
        long s = Math.round(seconds);
        return s < 60
                ? s + " s"
                : s < 3600 ? "%d:%02d min".formatted(s / 60, s % 60) : "%d:%02d h".formatted(s / 3600, s / 60 % 60);
    }
}
