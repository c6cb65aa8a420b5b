package io.lychee.rerank.cli;

import io.lychee.rerank.scoring.EngineStats;

/** Lists done, pairs a second and the time left, on the {@link StatusLine}. */
final class Progress {

    private static final int BAR = 24;

    private final StatusLine out = new StatusLine();
    private final long total;
    private final EngineStats before;
    private final long start = System.nanoTime();

    /** @param before what the engine had done already */
    Progress(long total, EngineStats before) {
        this.total = total;
        this.before = before;
    }

    void show(EngineStats stats) {
        out.show(() -> line(stats));
    }

    void finish(EngineStats stats) {
        out.finish(line(stats));
    }

    private String line(EngineStats stats) {
        double seconds = (System.nanoTime() - start) / 1e9;
        long lists = stats.answered() - before.answered();
        double share = total == 0 ? 1 : Math.min(1, (double) lists / total);
        int filled = (int) (share * BAR);
        String left = lists == 0 || share == 1 ? "" : ", " + duration(seconds / share - seconds) + " left";
        return "%s%s %d of %d lists, %.1f pairs/s, %s%s"
                .formatted(
                        "█".repeat(filled),
                        "░".repeat(BAR - filled),
                        lists,
                        total,
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
