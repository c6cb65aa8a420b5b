package io.lychee.rerank.gateway;

import io.lychee.rerank.config.GatewayConfig;
import io.vertx.core.Handler;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpConnection;
import java.util.HashMap;
import java.util.Map;

/** Bounds the number of connections, and how long each may keep the gateway waiting. For the event loop. */
final class Connections implements Handler<HttpConnection> {

    private static final Long NO_TIMER = -1L;

    private final Vertx vertx;
    private final int max;
    private final long timeoutMs;
    private final Map<HttpConnection, Long> timers = new HashMap<>();

    Connections(Vertx vertx, GatewayConfig limits) {
        this.vertx = vertx;
        this.max = limits.maxConnections();
        this.timeoutMs = limits.readTimeout().toMillis();
    }

    /** Closes the connection at once above the limit, and later unless a request's head arrives in time. */
    @Override
    public void handle(HttpConnection connection) {
        if (timers.size() >= max) {
            connection.close();
            return;
        }
        timers.put(connection, NO_TIMER);
        connection.closeHandler(closed -> {
            stopTimer(connection);
            timers.remove(connection);
        });
        startTimer(connection, connection::close);
    }

    /** Runs {@code late} after gateway.read-timeout; replaces the connection's earlier timer. */
    void startTimer(HttpConnection connection, Runnable late) {
        timers.computeIfPresent(connection, (same, timer) -> {
            vertx.cancelTimer(timer);
            return vertx.setTimer(timeoutMs, id -> late.run());
        });
    }

    void stopTimer(HttpConnection connection) {
        timers.computeIfPresent(connection, (same, timer) -> {
            vertx.cancelTimer(timer);
            return NO_TIMER;
        });
    }
}
