package io.lychee.rerank.gateway;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.domain.Latency;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Holds a whole answer.
 *
 * @param latency of the answered list, for {@code Server-Timing}; null without one
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Response(
        int status,
        String contentType,
        byte[] body,
        @Nullable Latency latency) {

    static final String JSON = "application/json";

    static Response of(String contentType, byte[] body) {
        return new Response(200, contentType, body, null);
    }

    static Response json(int status, Object tree) {
        return new Response(status, JSON, tree.toString().getBytes(StandardCharsets.UTF_8), null);
    }

    static Response json(Object tree, Latency latency) {
        return new Response(200, JSON, tree.toString().getBytes(StandardCharsets.UTF_8), latency);
    }

    static ObjectNode object() {
        return JsonNodeFactory.instance.objectNode();
    }

    /** @param gatewayNanos from the request's head until now; the job's stages are part of it */
    String serverTiming(long gatewayNanos) {
        double total = gatewayNanos / 1e6;
        if (latency == null) {
            return timing("gateway", total);
        }
        return String.join(
                ", ",
                timing("source", latency.source() / 1e3),
                timing("encode", latency.encode() / 1e3),
                timing("queue", latency.queue() / 1e3),
                timing("score", latency.score() / 1e3),
                timing("gateway", Math.max(0, total - latency.total() / 1e3)),
                timing("total", total));
    }

    private static String timing(String stage, double milliseconds) {
        return String.format(Locale.ROOT, "%s;dur=%.3f", stage, milliseconds);
    }
}
