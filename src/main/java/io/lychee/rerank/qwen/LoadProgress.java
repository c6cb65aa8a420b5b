package io.lychee.rerank.qwen;

import java.util.Locale;

/** How far the weights have come onto the device. */
public record LoadProgress(long bytes, long totalBytes, double seconds) {

    /** 0 before the first byte. */
    public double bytesPerSecond() {
        return seconds <= 0 ? 0 : bytes / seconds;
    }

    /** At the rate so far; 0 before the first byte. */
    public double secondsLeft() {
        return bytes == 0 ? 0 : (totalBytes - bytes) / bytesPerSecond();
    }

    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "%.2f of %.2f GB of weights loaded, %.2f GB/s, %.0f s left",
                bytes / 1e9,
                totalBytes / 1e9,
                bytesPerSecond() / 1e9,
                secondsLeft());
    }
}
