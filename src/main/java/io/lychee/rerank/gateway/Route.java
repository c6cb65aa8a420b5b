package io.lychee.rerank.gateway;

/** Answers one path: {@link Api} a POST, the others a GET. */
sealed interface Route permits Route.Get, Route.Lookup, Route.Events, Api {

    /** Serves a GET from memory, on the event loop. */
    non-sealed interface Get extends Route {
        Response get(String path);
    }

    /** Serves a GET on a thread of its own, because it decodes records or reads files. */
    non-sealed interface Lookup extends Route {
        Response find(String path);
    }

    /** Serves a GET as a stream of server-sent events. */
    non-sealed interface Events extends Route {
        /** @throws HttpError when there are too many listeners */
        void subscribe(EventStream stream);
    }

    /** Sends events to one client. Safe for any thread. */
    interface EventStream {
        /** Queues an event; drops it while the client is slow. */
        void send(String event, String json);

        void onClose(Runnable action);
    }
}
