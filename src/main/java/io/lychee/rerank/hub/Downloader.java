package io.lychee.rerank.hub;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongSupplier;

/** Downloads files one after the other, each in ranges over several connections, and verifies them meanwhile. */
final class Downloader implements AutoCloseable {

    static final long RANGE_BYTES = 64L << 20;

    /** Times that a file begins anew, because it changed, or its server sends no ranges. */
    private static final int MAX_STARTS = 3;

    private static final long SHOW_MS = 200;

    private final HubClient client;
    private final long rangeBytes;
    private final Progress progress;
    private final ExecutorService threads = Executors.newFixedThreadPool(HubClient.CONNECTIONS, task -> {
        Thread thread = new Thread(task, "hub-download");
        thread.setDaemon(true);
        return thread;
    });

    private long total;
    private long done;

    Downloader(HubClient client, long rangeBytes, Progress progress) {
        this.client = client;
        this.rangeBytes = rangeBytes;
        this.progress = progress;
    }

    record Job(RemoteFile file, URI address, Path target) {}

    /**
     * Downloads and verifies all, and tries a file with a wrong checksum once more.
     *
     * @throws ConfigException when a checksum is wrong twice, or a file can't be written
     */
    void run(List<Job> jobs) throws IOException {
        total = jobs.stream().mapToLong(job -> job.file.size()).sum();
        Map<Job, CompletableFuture<Boolean>> verified = new LinkedHashMap<>();
        for (Job job : jobs) {
            download(job);
            verified.put(job, CompletableFuture.supplyAsync(() -> verify(job), threads));
        }
        for (Map.Entry<Job, CompletableFuture<Boolean>> entry : verified.entrySet()) {
            Job job = entry.getKey();
            await(entry.getValue(), () -> done);
            if (!entry.getValue().join()) {
                done -= job.file.size();
                download(job);
                if (!verify(job)) {
                    throw new ConfigException("%s has another checksum than the hub lists, %s, twice; it was deleted"
                            .formatted(job.file.name(), job.file.hash()));
                }
            }
        }
        progress.show(done, total);
    }

    /** Completes a file that is what the hub lists; deletes another. */
    private static boolean verify(Job job) {
        try {
            boolean matches = PartFile.matches(job.target, job.file);
            if (matches) {
                PartFile.complete(job.target, job.file);
            } else {
                PartFile.discard(job.target, job.file);
            }
            return matches;
        } catch (IOException e) {
            throw new ConfigException("%s can't be checked or moved: %s".formatted(job.target, e), e);
        }
    }

    private void download(Job job) throws IOException {
        for (int start = 1; ; start++) {
            // the last start takes the whole file in one answer, as from a server without ranges
            long range = start < MAX_STARTS ? rangeBytes : Math.max(1, job.file.size());
            try (PartFile part = PartFile.open(job.target, job.file, range)) {
                FileDownload download = new FileDownload(client, job.file, job.address, part, start == 1);
                CompletableFuture<?>[] ranges = download.unfinished().stream()
                        .map(i -> CompletableFuture.runAsync(() -> download.fetch(i), threads))
                        .toArray(CompletableFuture[]::new);
                await(CompletableFuture.allOf(ranges), () -> done + part.received());
                download.requireComplete();
                done += job.file.size();
                return;
            } catch (FileDownload.StartOverException e) {
                PartFile.discard(job.target, job.file);
                if (start == MAX_STARTS) {
                    throw e;
                }
            }
        }
    }

    /** Waits for threads, whose requests and tries are bounded, and shows progress. */
    private void await(CompletableFuture<?> work, LongSupplier received) throws IOException {
        while (true) {
            try {
                work.get(SHOW_MS, TimeUnit.MILLISECONDS);
                return;
            } catch (TimeoutException e) {
                progress.show(received.getAsLong(), total);
            } catch (ExecutionException e) {
                throw e.getCause() instanceof ConfigException known ? known : new CompletionException(e.getCause());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new InterruptedIOException("the download was given up");
            }
        }
    }

    @Override
    public void close() {
        threads.shutdownNow();
    }
}
