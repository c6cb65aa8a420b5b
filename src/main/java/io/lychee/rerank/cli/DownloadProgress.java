package io.lychee.rerank.cli;

/** Shows gigabytes, rate and the time left of a download on a {@link StatusLine}. */
final class DownloadProgress {

    private final StatusLine out = new StatusLine();
    private final long start = System.nanoTime();
    /** Bytes at the first call; earlier runs received them. */
    private long first = -1;

    /** @param done bytes of {@code total} */
    void show(long done, long total) {
        first = first < 0 ? done : first;
        if (done < total) {
            out.show(() -> line(done, total));
        } else if (total > first) {
            out.finish(line(done, total));
        }
    }

    private String line(long done, long total) {
        double seconds = (System.nanoTime() - start) / 1e9;
        long received = Math.max(0, done - first);
        String left = received == 0 || done >= total
                ? ""
                : ", " + ProgressBar.duration(seconds / received * (total - done)) + " left";
        return "%.2f of %.2f GB, %.1f MB/s, %s%s"
                .formatted(done / 1e9, total / 1e9, received / 1e6 / seconds, ProgressBar.duration(seconds), left);
    }
}
