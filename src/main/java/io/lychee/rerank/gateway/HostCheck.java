package io.lychee.rerank.gateway;

import io.netty.util.NetUtil;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpVersion;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Refuses requests for foreign hosts and from foreign pages: DNS rebinding and cross-site requests. Immutable. */
final class HostCheck {

    private final Set<String> names = new HashSet<>();
    private final Set<String> allowed = new HashSet<>();

    /**
     * @param host as given to {@code --host}
     * @param bound its address; a loopback or the wildcard address also serves localhost
     * @param allowedHosts name or name:port, see gateway.allowed-hosts
     */
    HostCheck(String host, InetAddress bound, List<String> allowedHosts) {
        if (bound.isLoopbackAddress() || bound.isAnyLocalAddress()) {
            names.addAll(List.of("localhost", "127.0.0.1", "[::1]"));
        }
        names.add(lower(host));
        names.add(literal(bound));
        allowedHosts.forEach(name -> allowed.add(lower(name.trim())));
    }

    /** @throws HttpError 400, 403, 421 */
    void check(HttpServerRequest head) {
        int port = head.localAddress().port();
        List<String> hosts = head.headers().getAll(HttpHeaders.HOST);
        if (hosts.size() > 1 || (hosts.isEmpty() && head.version() == HttpVersion.HTTP_1_1)) {
            throw HttpError.badRequest(hosts.size() + " Host headers; expected one");
        }
        String host = hosts.isEmpty() ? null : lower(hosts.get(0));
        if (host != null && !serves(host, head)) {
            throw new HttpError(
                    421,
                    "the request is for host \"" + host + "\"; expected one of " + names + " at port " + port
                            + ", or of gateway.allowed-hosts");
        }
        for (String origin : head.headers().getAll(HttpHeaders.ORIGIN)) {
            if (!sameOrigin(lower(origin), host, port)) {
                throw new HttpError(403, "a page of " + origin + " may not call this gateway (gateway.allowed-hosts)");
            }
        }
        if (!Router.READS.contains(head.method()) && head.headers().contains("Sec-Fetch-Site", "cross-site", true)) {
            throw new HttpError(403, "Sec-Fetch-Site is cross-site; expected a page of this gateway");
        }
    }

    private boolean serves(String host, HttpServerRequest head) {
        int port = head.localAddress().port();
        String name = withoutPort(host, port);
        return names.contains(name)
                || isAllowed(host, port)
                || name.equals(literal(NetUtil.createInetAddressFromIpAddressString(
                        head.localAddress().hostAddress())));
    }

    private boolean isAllowed(String host, int port) {
        return allowed.contains(host) || allowed.contains(withoutPort(host, port));
    }

    private boolean sameOrigin(String origin, @Nullable String host, int port) {
        int authority = origin.indexOf("://") + 3;
        boolean web = origin.startsWith("http://") || origin.startsWith("https://");
        return web
                && (isAllowed(origin.substring(authority), port)
                        || (host != null && withoutPort(origin, 80).equals("http://" + withoutPort(host, 80))));
    }

    private static String withoutPort(String host, int port) {
        for (String ending : List.of(":" + port, ":")) {
            if (host.endsWith(ending)) {
                return host.substring(0, host.length() - ending.length());
            }
        }
        return host;
    }

    private static String literal(InetAddress address) {
        String text = NetUtil.toAddressString(address);
        return address instanceof Inet6Address ? "[" + text + "]" : text;
    }

    private static String lower(String text) {
        return text.toLowerCase(Locale.ROOT);
    }
}
