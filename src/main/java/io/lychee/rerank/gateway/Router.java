package io.lychee.rerank.gateway;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpUtil;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Which path answers what, and what holds for all of them. Safe for any thread. */
final class Router {

    static final String EVENT_PATH = "/api/live";

    /** Nothing from elsewhere, nothing inline; pictures also from what the user dropped. */
    private static final String CSP = "default-src 'self'; img-src 'self' data: blob:; object-src 'none';"
            + " base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static final Pattern CLIENT_ID = Pattern.compile("[\\x21-\\x7E]{1,200}");

    private final Map<String, Route> routes = new ConcurrentHashMap<>();
    private final Readiness readiness;

    Router(Readiness readiness) {
        this.readiness = readiness;
    }

    /** @param path exact, or the beginning of others when it ends in a slash and is not the root */
    void add(String path, Route route) {
        routes.put(path, route);
    }

    Set<String> paths() {
        return Set.copyOf(routes.keySet());
    }

    /** @throws HttpError 404, 405 */
    Route route(HttpRequest head) {
        Route route = find(path(head.uri()));
        if (route == null) {
            throw new HttpError(404, "no " + path(head.uri()) + " here; /openapi.json lists what is");
        }
        boolean post = route instanceof Route.Post;
        HttpMethod method = head.method();
        if (post
                ? !method.equals(HttpMethod.POST)
                : !method.equals(HttpMethod.GET) && !method.equals(HttpMethod.HEAD)) {
            throw new HttpError(405, method + " of " + path(head.uri()) + "; expected " + (post ? "POST" : "GET"));
        }
        return route;
    }

    /** The form in which errors of this path are told. */
    Api api(String path) {
        return find(path) instanceof Route.Post post ? post.api() : Api.PLAIN;
    }

    private @Nullable Route find(String path) {
        Route route = routes.get(path);
        int slash = path.lastIndexOf('/');
        return route != null || slash <= 0 ? route : routes.get(path.substring(0, slash + 1));
    }

    void requireJson(HttpRequest head) {
        CharSequence type = HttpUtil.getMimeType(head);
        if (type == null || !type.toString().trim().equalsIgnoreCase(Response.JSON)) {
            throw new HttpError(415, "Content-Type is " + type + "; expected " + Response.JSON);
        }
        String encoding = head.headers().get(HttpHeaderNames.CONTENT_ENCODING);
        if (encoding != null && !encoding.equalsIgnoreCase("identity")) {
            throw new HttpError(415, "Content-Encoding is " + encoding + "; expected none");
        }
    }

    void requireReady() {
        Readiness.State state = readiness.state();
        if (!state.ready()) {
            throw new HttpError(
                    503, "not ready: " + state.phase() + " " + Objects.requireNonNullElse(state.detail(), ""));
        }
    }

    /** Null where the client doesn't name its request, or by something that is no name. */
    static @Nullable String clientId(HttpRequest head) {
        String id = head.headers().get("X-Request-Id");
        return id != null && CLIENT_ID.matcher(id).matches() ? id : null;
    }

    static String path(String uri) {
        int end = uri.indexOf('?');
        return end < 0 ? uri : uri.substring(0, end);
    }

    static void headers(HttpResponse message, String contentType) {
        HttpHeaders headers = message.headers();
        headers.set(HttpHeaderNames.CONTENT_TYPE, contentType);
        headers.set("Content-Security-Policy", CSP);
        headers.set("X-Content-Type-Options", "nosniff");
        headers.set("Referrer-Policy", "no-referrer");
        headers.set(HttpHeaderNames.CACHE_CONTROL, "no-store");
    }

    static ObjectNode object() {
        return JsonNodeFactory.instance.objectNode();
    }
}
