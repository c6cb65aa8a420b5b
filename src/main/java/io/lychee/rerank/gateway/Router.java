package io.lychee.rerank.gateway;

import io.vertx.core.http.HttpMethod;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** Finds the route of a path, compared as it was sent: no dots or escapes are resolved. Safe for any thread. */
final class Router {

    /** The methods that change nothing. */
    static final Set<HttpMethod> READS = Set.of(HttpMethod.GET, HttpMethod.HEAD);

    private final Map<String, Route> routes = new ConcurrentHashMap<>();
    private final Set<String> open = ConcurrentHashMap.newKeySet();

    /** @param path exact, or a prefix of others when it ends in a slash and is not the root */
    void add(String path, Route route) {
        routes.put(path, route);
    }

    /** Adds an exact path that needs no API key. */
    void addOpen(String path, Route route) {
        open.add(path);
        add(path, route);
    }

    boolean isOpen(String path) {
        return open.contains(path);
    }

    Set<String> paths() {
        return Set.copyOf(routes.keySet());
    }

    /** Null for an unknown path. */
    @Nullable
    Route find(String path) {
        Route route = routes.get(path);
        int slash = path.lastIndexOf('/');
        return route != null || slash <= 0 ? route : routes.get(path.substring(0, slash + 1));
    }

    /** @throws HttpError 404, 405 */
    Route require(HttpMethod method, String path) {
        Route route = find(path);
        if (route == null) {
            throw new HttpError(404, "no " + path + " here; /openapi.json lists what is");
        }
        boolean post = route instanceof Api;
        if (post ? !method.equals(HttpMethod.POST) : !READS.contains(method)) {
            throw new HttpError(405, method + " of " + path + "; expected " + (post ? "POST" : "GET"));
        }
        return route;
    }

    /**
     * Decodes what is behind a path's last slash.
     *
     * @throws HttpError 400 when it isn't percent-encoded UTF-8
     */
    static String lastSegment(String path) {
        try {
            // a form decodes a plus, a path doesn't
            String segment = path.substring(path.lastIndexOf('/') + 1).replace("+", "%2B");
            return URLDecoder.decode(segment, StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw HttpError.badRequest("the path's end can't be decoded: " + e.getMessage());
        }
    }
}
