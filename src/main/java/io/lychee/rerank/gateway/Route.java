package io.lychee.rerank.gateway;

import java.util.concurrent.CompletableFuture;

/** What answers one path. */
sealed interface Route {

    /** GET, answered from what is here. */
    non-sealed interface Get extends Route {
        Response get(Request request);
    }

    /** GET, a stream of server-sent events. */
    non-sealed interface Events extends Route {
        /** @throws HttpError when there are too many listeners */
        void subscribe(EventStream stream);
    }

    /**
     * POST of a JSON body: a list to rerank.
     *
     * @param api how it is read, answered and refused
     */
    record Post(Api api, Answering answering) implements Route {}

    /** Reads the body on a worker, publishes, and completes when the answer is here. */
    @FunctionalInterface
    interface Answering {
        CompletableFuture<Response> answer(Api api, Request request);
    }

    /** A client that listens. */
    interface EventStream {
        /** Hands an event on, unless the client is too slow to take it. From any thread. */
        void send(String event, String json);

        void onClose(Runnable action);
    }
}
