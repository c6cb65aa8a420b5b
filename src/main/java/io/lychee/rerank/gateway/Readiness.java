package io.lychee.rerank.gateway;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Objects;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/** How far the start has come; whoever starts things says so here. Safe for any thread. */
public final class Readiness {

    /**
     * @param phase a word: starting, loading, ready
     * @param detail a sentence for people
     * @param model the name of the loaded checkpoint, where this process knows
     */
    record State(
            String phase, @Nullable String detail, @Nullable String model) {

        boolean ready() {
            return phase.equals("ready");
        }
    }

    private volatile State state = new State("starting", null, null);
    private volatile @Nullable LongSupplier busyMillis;

    /** @throws HttpError 503 before {@link #ready} */
    void require() {
        State now = state;
        if (!now.ready()) {
            throw new HttpError(503, "not ready: " + now.phase() + " " + Objects.requireNonNullElse(now.detail(), ""));
        }
    }

    public void loading(String detail) {
        state = new State("loading", detail, null);
    }

    /**
     * @param model null where a job elsewhere has loaded it
     * @param busyMillis what the device worked since its start; null where it isn't in this process
     */
    public void ready(@Nullable String model, @Nullable LongSupplier busyMillis) {
        this.busyMillis = busyMillis;
        state = new State("ready", null, model);
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
        ObjectNode tree = Response.object();
        tree.put("status", ready ? "ready" : "not ready");
        tree.put("phase", ready || !now.ready() ? now.phase() : connected ? "no job answers" : "broker unreachable");
        tree.put("detail", now.ready() && connected ? silence : now.detail());
        tree.put("model", model(gateway));
        LongSupplier busy = busyMillis;
        tree.put("busy_ms", busy == null ? null : (Long) busy.getAsLong());
        return Response.json(ready ? 200 : 503, tree);
    }
}
