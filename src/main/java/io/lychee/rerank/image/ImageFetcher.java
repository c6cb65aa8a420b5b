package io.lychee.rerank.image;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.domain.Urls;
import io.lychee.rerank.scoring.EngineStats;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.apache.hc.client5.http.DnsResolver;

/**
 * Fetches images by reference: http and https on {@code fetch.max-connections} threads, files on
 * {@value #FILE_THREADS}. The pools are separate, because a file system that hangs keeps its threads. Thread-safe.
 */
public final class ImageFetcher implements AutoCloseable {

    private static final int FILE_THREADS = 8;

    private final RerankConfig.Limits limits;
    private final Duration timeout;
    private final ExecutorService connections;
    private final ExecutorService readers;
    private final ScheduledThreadPoolExecutor timer;
    private final FileImageReader files;
    private final HttpImageClient http;
    private final LongAdder fetches = new LongAdder();
    private final LongAdder failures = new LongAdder();
    private final LongAdder fetchedBytes = new LongAdder();
    private final LongAdder nanos = new LongAdder();

    public ImageFetcher(RerankConfig.Fetch config, RerankConfig.Limits limits, DnsResolver resolver) {
        this.limits = limits;
        this.timeout = config.timeout();
        this.connections = pool("image-http", config.maxConnections());
        this.readers = pool("image-file", FILE_THREADS);
        this.timer = new ScheduledThreadPoolExecutor(1, daemons("image-timer"));
        this.timer.setRemoveOnCancelPolicy(true);
        this.files = new FileImageReader(limits);
        this.http = new HttpImageClient(config, limits.maxImageBytes(), resolver);
    }

    private static ExecutorService pool(String name, int threads) {
        ThreadPoolExecutor pool = new ThreadPoolExecutor(
                threads, threads, 30, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), daemons(name));
        pool.allowCoreThreadTimeOut(true);
        return pool;
    }

    private static ThreadFactory daemons(String name) {
        AtomicInteger count = new AtomicInteger();
        return task -> {
            Thread thread = new Thread(task, name + "-" + count.incrementAndGet());
            thread.setDaemon(true);
            // the creating thread's class loader may be that of a Flink job, which ends before this thread
            thread.setContextClassLoader(ImageFetcher.class.getClassLoader());
            return thread;
        };
    }

    /**
     * Fetches the bytes of every image, in order. Never blocks.
     *
     * @return completes exceptionally with {@link RejectedException} as soon as one fails, and cancels the others
     */
    public CompletableFuture<List<byte[]>> fetch(Content content) {
        try {
            checkCount(content.images().size(), limits);
        } catch (RejectedException e) {
            return CompletableFuture.failedFuture(e);
        }
        List<CompletableFuture<byte[]>> parts =
                content.images().stream().map(this::fetch).toList();
        BiConsumer<Object, Throwable> cancelRest = (value, failure) -> {
            if (failure != null) {
                parts.forEach(part -> part.completeExceptionally(failure));
            }
        };
        CompletableFuture<List<byte[]>> all = CompletableFuture.allOf(parts.toArray(CompletableFuture[]::new))
                .thenApply(done -> parts.stream().map(CompletableFuture::join).toList());
        Stream.concat(parts.stream(), Stream.of(all)).forEach(future -> {
            var unused = future.whenComplete(cancelRest);
        });
        return all;
    }

    /** @throws RejectedException for more images than {@code image.max-per-candidate} */
    public static void checkCount(int images, RerankConfig.Limits limits) throws RejectedException {
        if (images > limits.maxImages()) {
            throw new RejectedException(
                    Reason.TOO_MANY_IMAGES,
                    "there are %d images; image.max-per-candidate is %d".formatted(images, limits.maxImages()));
        }
    }

    private CompletableFuture<byte[]> fetch(Image image) {
        CompletableFuture<byte[]> result = new CompletableFuture<>();
        if (image instanceof Image.Bytes bytes) {
            complete(result, () -> {
                ImageDecoder.checkBytes(bytes.data().length, limits.maxImageBytes());
                return bytes.data();
            });
            return result;
        }
        String uri = ((Image.Reference) image).uri();
        String scheme =
                Urls.clean(uri.substring(0, Math.max(0, uri.indexOf(':')))).toLowerCase(Locale.ROOT);
        switch (scheme) {
            case "http", "https" -> start(connections, uri, result, () -> http.fetch(uri, result));
            case "file" -> start(readers, uri, result, () -> files.read(uri));
            case "data" ->
                // well-formed ones became bytes when the record was decoded
                result.completeExceptionally(
                        rejected(Reason.IMAGE_UNREADABLE, uri, "is no data: URI; expected data:TYPE;base64,BYTES"));
            default ->
                result.completeExceptionally(rejected(
                        Reason.IMAGE_FORBIDDEN,
                        uri,
                        "is no reference that is followed; expected file:PATH, http: or https:"));
        }
        return result;
    }

    private interface Source {
        byte[] get() throws RejectedException;
    }

    /** Counts the fetch, and limits its time, waiting for a thread included. */
    private void start(ExecutorService pool, String uri, CompletableFuture<byte[]> result, Source source) {
        long start = System.nanoTime();
        var counted = result.whenComplete((bytes, failure) -> {
            fetches.increment();
            nanos.add(System.nanoTime() - start);
            if (failure == null) {
                fetchedBytes.add(bytes.length);
            } else {
                failures.increment();
            }
        });
        try {
            Future<?> limit = timer.schedule(
                    () -> result.completeExceptionally(
                            rejected(Reason.IMAGE_NOT_FOUND, uri, "took more than fetch.timeout, " + timeout)),
                    timeout.toMillis(),
                    TimeUnit.MILLISECONDS);
            var unused = counted.whenComplete((bytes, failure) -> limit.cancel(false));
            pool.execute(() -> {
                if (!result.isDone()) {
                    complete(result, source);
                }
            });
        } catch (RejectedExecutionException e) {
            result.completeExceptionally(new RejectedException(Reason.IMAGE_NOT_FOUND, "fetching has stopped"));
        }
    }

    private static void complete(CompletableFuture<byte[]> result, Source source) {
        try {
            result.complete(source.get());
        } catch (Throwable e) { // errors too: no other code sees what this thread throws
            result.completeExceptionally(e);
        }
    }

    /** Sums the fetches by reference so far. One canceled because of another image counts as a failure. */
    public EngineStats.Fetches fetches() {
        return new EngineStats.Fetches(fetches.sum(), failures.sum(), fetchedBytes.sum(), nanos.sum());
    }

    static RejectedException rejected(Reason reason, String uri, String what) {
        return new RejectedException(reason, "the image %s %s".formatted(shorten(uri), what));
    }

    /** Cuts text to 200 characters for a message. */
    static String shorten(String text) {
        return text.length() <= 200 ? text : text.substring(0, 200) + "…";
    }

    @Override
    public void close() {
        http.close();
        timer.shutdownNow();
        connections.shutdownNow();
        readers.shutdownNow();
    }
}
