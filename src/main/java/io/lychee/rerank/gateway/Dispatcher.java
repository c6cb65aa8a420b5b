package io.lychee.rerank.gateway;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Runs API calls on four workers: parses a body, publishes its lists, writes the answer; look-ups on two threads. Safe
 * for any thread.
 */
final class Dispatcher implements AutoCloseable {

    private static final int WORKERS = 4;
    private static final int LOOKUPS = 2;

    private final Gateway gateway;
    private final Duration timeout;
    private final ExecutorService workers = pool("gateway-worker", WORKERS);

    /** Look-ups have their own threads, since a file system that hangs keeps them. */
    private final ExecutorService lookups = pool("gateway-lookup", LOOKUPS);

    Dispatcher(Gateway gateway) {
        this.gateway = gateway;
        this.timeout = gateway.config().gateway().timeout();
    }

    /**
     * Answers one request within gateway.timeout; cancelling the result cancels the wait for the job. Holds
     * {@code place} until no worker has the body any more, also after a cancel.
     */
    CompletableFuture<Response> dispatch(Api api, byte[] body, @Nullable String clientId, Admission.Place place) {
        CompletableFuture<Response> answer = new CompletableFuture<>();
        place.hold();
        try {
            workers.execute(() -> {
                CompletableFuture<Response> work =
                        answer.isDone() ? CompletableFuture.completedFuture(null) : call(api, body, clientId, place);
                var unused = work.whenComplete((response, error) -> {
                    place.release();
                    if (error == null) {
                        answer.complete(response);
                    } else {
                        answer.completeExceptionally(error);
                    }
                });
                var unusedCancel = answer.whenComplete((response, error) -> work.cancel(true));
            });
        } catch (RejectedExecutionException e) {
            place.release();
            answer.completeExceptionally(new HttpError(503, "the gateway is shutting down"));
        }
        return answer.orTimeout(timeout.toMillis(), TimeUnit.MILLISECONDS);
    }

    CompletableFuture<Response> find(Route.Lookup lookup, String path) {
        return CompletableFuture.supplyAsync(() -> lookup.find(path), lookups)
                .orTimeout(timeout.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** Runs the steps of a call on this thread up to the wait for the job. */
    CompletableFuture<Response> call(Api api, byte[] body, @Nullable String clientId, Admission.@Nullable Place place) {
        List<CompletableFuture<Gateway.Reply>> replies = new ArrayList<>();
        try {
            int tokens = gateway.bodies().count(body);
            if (place != null) {
                place.reserve((long) tokens * Admission.TOKEN_BYTES);
            }
            Api.Call call = api.read(body, clientId, gateway);
            call.lists().forEach(list -> replies.add(gateway.ask(list)));
            CompletableFuture<Response> response = CompletableFuture.allOf(replies.toArray(CompletableFuture[]::new))
                    .thenApplyAsync(
                            all -> call.write()
                                    .apply(replies.stream()
                                            .map(CompletableFuture::join)
                                            .toList()),
                            workers);
            var unused = response.whenComplete((done, error) -> replies.forEach(reply -> reply.cancel(false)));
            return response;
        } catch (RuntimeException | Error e) {
            replies.forEach(reply -> reply.cancel(false));
            return CompletableFuture.failedFuture(e);
        }
    }

    @Override
    public void close() {
        workers.shutdownNow();
        lookups.shutdownNow();
    }

    private static ExecutorService pool(String name, int threads) {
        return Executors.newFixedThreadPool(threads, work -> {
            Thread thread = new Thread(work, name);
            thread.setDaemon(true);
            return thread;
        });
    }
}
