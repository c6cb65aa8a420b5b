package io.lychee.rerank.gateway;

import io.lychee.rerank.domain.Latency;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A whole answer.
 *
 * @param latency of the list that was answered, for {@code Server-Timing}; null where none was
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Response(
        int status,
        String contentType,
        byte[] body,
        Map<String, String> headers,
        @Nullable Latency latency) {

    static final String JSON = "application/json";

    Response {
        headers = Map.copyOf(headers);
    }

    static Response of(String contentType, byte[] body) {
        return new Response(200, contentType, body, Map.of(), null);
    }

    static Response json(int status, Object tree) {
        return new Response(status, JSON, tree.toString().getBytes(StandardCharsets.UTF_8), Map.of(), null);
    }

    Response with(String header, String value) {
        Map<String, String> more = new TreeMap<>(headers);
        more.put(header, value);
        return new Response(status, contentType, body, more, latency);
    }

    /** @param gatewayNanos from the request's first byte until now; the stages of the job are part of it */
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
