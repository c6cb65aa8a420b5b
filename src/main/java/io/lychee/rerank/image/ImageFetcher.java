package io.lychee.rerank.image;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.domain.Urls;
import io.lychee.rerank.scoring.Encoder;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.apache.hc.client5.http.DnsResolver;

/**
 * Image references to bytes, by scheme. A few threads of its own read files and resolve names; what waits for a server
 * holds none. Thread-safe.
 */
public final class ImageFetcher implements AutoCloseable {

    private static final int THREADS = 8; // for files, and as many that begin connections

    private final RerankConfig.Limits limits;
    private final Duration timeout;
    private final ExecutorService readers;
    private final ExecutorService starters;
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
        // apart, because a file system that hangs keeps its threads
        this.readers = pool("image-file");
        this.starters = pool("image-fetch");
        this.timer = new ScheduledThreadPoolExecutor(1, Threads.daemons("image-timer"));
        this.timer.setRemoveOnCancelPolicy(true);
        this.files = new FileImageReader(limits);
        this.http = new HttpImageClient(config, limits.maxImageBytes(), resolver, starters, timer);
    }

    private static ExecutorService pool(String name) {
        ThreadPoolExecutor pool = new ThreadPoolExecutor(
                THREADS, THREADS, 30, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), Threads.daemons(name));
        pool.allowCoreThreadTimeOut(true);
        return pool;
    }

    /**
     * Never blocks.
     *
     * @return the bytes of every image, in order; completes exceptionally with {@link RejectedException} as soon as one
     *     can't be had, and gives up the others
     */
    public CompletableFuture<List<byte[]>> fetch(Content content) {
        CompletableFuture<List<byte[]>> result = new CompletableFuture<>();
        try {
            checkCount(content.images().size(), limits);
        } catch (RejectedException e) {
            result.completeExceptionally(e);
            return result;
        }
        List<CompletableFuture<byte[]>> parts =
                content.images().stream().map(this::fetch).toList();
        for (CompletableFuture<byte[]> part : parts) {
            var unused = part.whenComplete((bytes, failure) -> {
                if (failure != null) {
                    result.completeExceptionally(failure);
                }
            });
        }
        var all = CompletableFuture.allOf(parts.toArray(CompletableFuture[]::new))
                .thenRun(() -> result.complete(
                        parts.stream().map(CompletableFuture::join).toList()));
        var unused = result.whenComplete((bytes, failure) -> {
            if (failure != null) {
                parts.forEach(part -> part.cancel(false));
                all.cancel(false);
            }
        });
        return result;
    }

    public static void checkCount(int images, RerankConfig.Limits limits) throws RejectedException {
        if (images > limits.maxImages()) {
            throw new RejectedException(
                    Reason.TOO_MANY_IMAGES,
                    "there are %d images; image.max-per-candidate is %d".formatted(images, limits.maxImages()));
        }
    }

    private CompletableFuture<byte[]> fetch(Image image) {
        if (image instanceof Image.Bytes bytes) {
            return complete(() -> {
                ImageDecoder.checkBytes(bytes.data().length, limits.maxImageBytes());
                return bytes.data();
            });
        }
        String uri = ((Image.Reference) image).uri();
        String scheme =
                Urls.clean(uri.substring(0, Math.max(0, uri.indexOf(':')))).toLowerCase(Locale.ROOT);
        return switch (scheme) {
            case "http", "https" -> counted(http.fetch(uri));
            case "file" -> counted(readFile(uri.substring(uri.indexOf(':') + 1)));
            case "data" ->
                // well-formed ones have become bytes when the record was decoded
                complete(() -> {
                    throw new RejectedException(
                            Reason.IMAGE_UNREADABLE,
                            "the image %s is no data: URI; expected data:TYPE;base64,BYTES".formatted(shorten(uri)));
                });
            default ->
                complete(() -> {
                    throw new RejectedException(
                            Reason.IMAGE_FORBIDDEN,
                            "the image %s is no reference that is followed; expected file:PATH, http: or https:"
                                    .formatted(shorten(uri)));
                });
        };
    }

    private CompletableFuture<byte[]> counted(CompletableFuture<byte[]> fetch) {
        long start = System.nanoTime();
        var unused = fetch.whenComplete((bytes, failure) -> {
            fetches.increment();
            nanos.add(System.nanoTime() - start);
            if (failure == null) {
                fetchedBytes.add(bytes.length);
            } else {
                failures.increment();
            }
        });
        return fetch;
    }

    /** What was fetched by reference so far; what was given up for another picture's sake is a failure. */
    public Encoder.Fetches fetches() {
        return new Encoder.Fetches(fetches.sum(), failures.sum(), fetchedBytes.sum(), nanos.sum());
    }

    private interface Source {
        byte[] get() throws RejectedException;
    }

    private CompletableFuture<byte[]> readFile(String name) {
        CompletableFuture<byte[]> result = new CompletableFuture<>();
        try {
            Future<?> limit = timer.schedule(
                    () -> result.completeExceptionally(new RejectedException(
                            Reason.IMAGE_NOT_FOUND,
                            "the image file:%s took more than fetch.timeout, %s".formatted(shorten(name), timeout))),
                    timeout.toMillis(),
                    TimeUnit.MILLISECONDS);
            var unused = result.whenComplete((bytes, failure) -> limit.cancel(false));
            readers.execute(() -> {
                if (!result.isDone()) {
                    complete(result, () -> files.read(name));
                }
            });
        } catch (RejectedExecutionException e) {
            result.completeExceptionally(new RejectedException(Reason.IMAGE_NOT_FOUND, "fetching has stopped"));
        }
        return result;
    }

    private static CompletableFuture<byte[]> complete(Source source) {
        CompletableFuture<byte[]> result = new CompletableFuture<>();
        complete(result, source);
        return result;
    }

    private static void complete(CompletableFuture<byte[]> result, Source source) {
        try {
            result.complete(source.get());
        } catch (Throwable e) { // also errors: nobody else sees what this thread throws
            result.completeExceptionally(e);
        }
    }

    /** A reference short enough for a message. */
    static String shorten(String reference) {
        return reference.length() <= 200 ? reference : reference.substring(0, 200) + "…";
    }

    @Override
    public void close() {
        http.close();
        timer.shutdownNow();
        readers.shutdownNow();
        starters.shutdownNow();
    }
}
