package io.lychee.rerank.gateway;

import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.util.NetUtil;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
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
     * @param host as it was given to listen on
     * @param bound its address; localhost is served where it is loopback or stands for every address
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

    /**
     * @param local where the connection arrived
     * @throws HttpError 400, 403, 421
     */
    void check(HttpRequest head, InetSocketAddress local) {
        List<String> hosts = head.headers().getAll(HttpHeaderNames.HOST);
        if (hosts.size() > 1 || (hosts.isEmpty() && head.protocolVersion().equals(HttpVersion.HTTP_1_1))) {
            throw HttpError.badRequest(hosts.size() + " Host headers; expected one");
        }
        String host = hosts.isEmpty() ? null : lower(hosts.get(0));
        if (host != null && !serves(host, local)) {
            throw new HttpError(
                    421,
                    "the request is for host \"" + host + "\"; expected one of " + names + " at port " + local.getPort()
                            + ", or of gateway.allowed-hosts");
        }
        for (String origin : head.headers().getAll(HttpHeaderNames.ORIGIN)) {
            if (!sameOrigin(lower(origin), host, local.getPort())) {
                throw new HttpError(403, "a page of " + origin + " may not call this gateway (gateway.allowed-hosts)");
            }
        }
        HttpMethod method = head.method();
        boolean changes = !method.equals(HttpMethod.GET) && !method.equals(HttpMethod.HEAD);
        if (changes && head.headers().containsValue("Sec-Fetch-Site", "cross-site", true)) {
            throw new HttpError(403, "Sec-Fetch-Site is cross-site; expected a page of this gateway");
        }
    }

    private boolean serves(String host, InetSocketAddress local) {
        String name = withoutPort(host, local.getPort());
        return names.contains(name) || name.equals(literal(local.getAddress())) || isAllowed(host, local.getPort());
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
