package io.lychee.rerank.gateway;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Objects;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/** Reports how far the start has come, as the starting command records it. Safe for any thread. */
public final class Readiness {

    /** @param phase a word: starting, loading, ready */
    private record State(
            String phase,
            @Nullable String detail,
            @Nullable String model,
            @Nullable LongSupplier busyMillis) {

        boolean ready() {
            return phase.equals("ready");
        }
    }

    private volatile State state = new State("starting", null, null, null);

    public void loading(String detail) {
        state = new State("loading", detail, null, null);
    }

    /**
     * @param model null where a job elsewhere has loaded it
     * @param busyMillis the device's working time since its start; null where it is in another process
     */
    public void ready(@Nullable String model, @Nullable LongSupplier busyMillis) {
        state = new State("ready", null, model, busyMillis);
    }

    /** @throws HttpError 503 before {@link #ready} */
    void require() {
        State now = state;
        if (!now.ready()) {
            throw new HttpError(503, "not ready: " + now.phase() + " " + Objects.requireNonNullElse(now.detail(), ""));
        }
    }

    /** Names the loaded network, or the one that the job's answers name; null before either is known. */
    @Nullable
    String model(Gateway gateway) {
        String loaded = state.model();
        return loaded == null ? gateway.heartbeat().model() : loaded;
    }

    Response respond(Gateway gateway) {
        State now = state;
        String silence = gateway.heartbeat().silence();
        boolean connected = gateway.connected();
        boolean ready = now.ready() && connected && silence == null;
        LongSupplier busy = now.busyMillis();
        ObjectNode tree = Response.object()
                .put("status", ready ? "ready" : "not ready")
                .put("phase", ready || !now.ready() ? now.phase() : connected ? "no job answers" : "broker unreachable")
                .put("detail", now.ready() && connected ? silence : now.detail())
                .put("model", model(gateway))
                .put("busy_ms", busy == null ? null : (Long) busy.getAsLong());
        return Response.json(ready ? 200 : 503, tree);
    }
}
