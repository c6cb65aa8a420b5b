package io.lychee.rerank.qwen;

import io.lychee.rerank.checkpoint.Safetensors;
import io.lychee.rerank.checkpoint.TensorShapes;
import java.util.Locale;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Copies a checkpoint's weights from its files to the device, in parts: by several threads to a GPU, because one copies
 * slower than a disk reads. Logs progress every 2 s.
 */
public final class WeightLoading {

    private static final Logger LOG = LoggerFactory.getLogger(WeightLoading.class);

    /** Bounds the pinned memory of each thread. */
    private static final int PART_BYTES = 64 << 20;

    private static final int GPU_THREADS = 4;
    private static final long LOG_NANOS = TimeUnit.SECONDS.toNanos(2);

    private record Part(String name, Safetensors.Rows rows) {}

    private final Queue<Part> parts = new ConcurrentLinkedQueue<>();
    private final long totalBytes;
    private final QwenNetwork network;
    private final Consumer<Progress> progress;
    private final long start = System.nanoTime();
    private long logged = start;
    private long bytes;

    /** Counts the bytes on the device so far. */
    public record Progress(long bytes, long totalBytes, double seconds) {

        /** Formats bytes, mean rate and the remaining seconds at that rate. */
        @Override
        public String toString() {
            double rate = bytes / seconds;
            return String.format(
                    Locale.ROOT,
                    "%.2f of %.2f GB of weights loaded, %.2f GB/s, %.0f s left",
                    bytes / 1e9,
                    totalBytes / 1e9,
                    rate / 1e9,
                    (totalBytes - bytes) / rate);
        }
    }

    private WeightLoading(CheckpointTensors tensors, QwenNetwork network, Consumer<Progress> progress) {
        tensors.byName().forEach((name, tensor) -> {
            if (!name.equals(TensorShapes.HEAD)) {
                tensor.parts(PART_BYTES).forEach(rows -> parts.add(new Part(name, rows)));
            }
        });
        this.totalBytes = parts.stream().mapToLong(part -> part.rows.bytes()).sum();
        this.network = network;
        this.progress = progress;
    }

    /**
     * Loads every tensor but the head. Returns or fails when no copy is in flight, so that the caller can free the
     * network.
     *
     * @param progress called after each part, on one thread at a time
     */
    static void load(CheckpointTensors tensors, QwenNetwork network, boolean cpu, Consumer<Progress> progress) {
        WeightLoading loading = new WeightLoading(tensors, network, progress);
        try {
            CompletableFuture.allOf(IntStream.range(0, cpu ? 1 : GPU_THREADS)
                            .mapToObj(i -> CompletableFuture.runAsync(
                                    loading::copyParts, work -> new Thread(work, "lychee-weights-" + i).start()))
                            .toArray(CompletableFuture<?>[]::new))
                    .join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        }
    }

    private void copyParts() {
        for (Part part = parts.poll(); part != null; part = parts.poll()) {
            try {
                network.load(part.name, part.rows);
            } catch (Throwable e) {
                parts.clear(); // ends the other threads after their part
                throw e;
            }
            advance(part.rows.bytes());
        }
    }

    private synchronized void advance(int loaded) {
        bytes += loaded;
        long now = System.nanoTime();
        Progress reached = new Progress(bytes, totalBytes, (now - start) / 1e9);
        if (now - logged >= LOG_NANOS) {
            LOG.info("{}", reached);
            logged = now;
        }
        progress.accept(reached);
    }
}
