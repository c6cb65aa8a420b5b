package io.lychee.rerank.qwen;

import io.lychee.rerank.checkpoint.Safetensors;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Brings a checkpoint's weights from its files onto the device, in parts. On a GPU by several threads: one alone copies
 * slower than a disk reads.
 */
final class WeightLoading {

    /** Of pinned memory that each thread holds. */
    private static final int PART_BYTES = 64 << 20;

    private static final int THREADS = 4;

    private record Part(String name, Safetensors.Rows rows) {}

    private WeightLoading() {}

    /** @param progress told after each part, by the calling thread */
    static void load(CheckpointTensors tensors, QwenNetwork network, boolean cpu, Consumer<LoadProgress> progress) {
        List<Part> parts = new ArrayList<>();
        tensors.byName().forEach((name, tensor) -> {
            if (!name.equals(CheckpointTensors.HEAD)) {
                tensor.parts(PART_BYTES).forEach(rows -> parts.add(new Part(name, rows)));
            }
        });
        long total = parts.stream().mapToLong(part -> part.rows.bytes()).sum();
        long start = System.nanoTime();
        ExecutorService threads = Executors.newFixedThreadPool(cpu ? 1 : THREADS);
        try {
            ExecutorCompletionService<Part> loaded = new ExecutorCompletionService<>(threads);
            for (Part part : parts) {
                loaded.submit(() -> {
                    network.load(part.name, part.rows);
                    return part;
                });
            }
            long bytes = 0;
            for (int i = 0; i < parts.size(); i++) {
                bytes += loaded.take().get().rows.bytes();
                progress.accept(new LoadProgress(bytes, total, (System.nanoTime() - start) / 1e9));
            }
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : new CompletionException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while loading weights", e);
        } finally {
            end(threads);
        }
    }

    /** After a failure the caller frees the network, which would crash the JVM under a part that is still copied. */
    private static void end(ExecutorService threads) {
        threads.shutdownNow();
        boolean interrupted = false;
        while (!threads.isTerminated()) {
            try {
                boolean unused = threads.awaitTermination(1, TimeUnit.MINUTES);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
