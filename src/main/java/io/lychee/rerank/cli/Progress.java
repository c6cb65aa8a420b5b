package io.lychee.rerank.cli;

import io.lychee.rerank.scoring.EngineStats;

/** Lists done, rates and the time left, on the {@link StatusLine}. */
final class Progress {

    private static final int BAR = 24;

    private final StatusLine out = new StatusLine();
    private final long done;
    private final long total;
    private final EngineStats before;
    private final long start = System.nanoTime();

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
        out.show(() -> line(done + stats.answered() - before.answered(), stats));
    }

    /** @param lists answered or dead, in earlier runs too */
    void finish(long lists, EngineStats stats) {
        out.finish(line(lists, stats));
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

    static String duration(double seconds) {
        long s = Math.round(seconds);
        return s < 60
                ? s + " s"
                : s < 3600 ? "%d:%02d min".formatted(s / 60, s % 60) : "%d:%02d h".formatted(s / 3600, s / 60 % 60);
    }
}
