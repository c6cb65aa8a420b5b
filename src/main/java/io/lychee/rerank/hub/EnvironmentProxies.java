package io.lychee.rerank.hub;

import io.lychee.rerank.config.ConfigException;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import org.apache.hc.client5.http.auth.AuthScope;
import org.apache.hc.client5.http.auth.UsernamePasswordCredentials;
import org.apache.hc.client5.http.impl.auth.BasicCredentialsProvider;
import org.apache.hc.client5.http.impl.routing.DefaultRoutePlanner;
import org.apache.hc.core5.http.HttpHost;
import org.apache.hc.core5.http.protocol.HttpContext;
import org.jspecify.annotations.Nullable;

/** Picks a host's proxy: HTTPS_PROXY or HTTP_PROXY, unless NO_PROXY names the host; lower case wins. */
final class EnvironmentProxies extends DefaultRoutePlanner {

    private final Map<String, String> environment;
    private final BasicCredentialsProvider credentials = new BasicCredentialsProvider();

    EnvironmentProxies(Map<String, String> environment) {
        super(null);
        this.environment = environment;
        parse("http");
        parse("https");
    }

    /** Returns the users and passwords that the proxies' addresses hold. */
    BasicCredentialsProvider credentials() {
        return credentials;
    }

    @Override
    protected @Nullable HttpHost determineProxy(HttpHost target, @Nullable HttpContext context) {
        return isExempt(target) ? null : parse(target.getSchemeName().toLowerCase(Locale.ROOT));
    }

    private @Nullable HttpHost parse(String scheme) {
        String key = scheme + "_proxy";
        String value = value(key);
        if (value.isEmpty()) {
            return null;
        }
        try {
            URI proxy = URI.create(value.contains("://") ? value : "http://" + value);
            HttpHost host = new HttpHost("http", proxy.getHost(), proxy.getPort() < 0 ? 80 : proxy.getPort());
            if (!"http".equals(proxy.getScheme())) {
                throw new IllegalArgumentException(proxy.getScheme());
            }
            if (proxy.getRawUserInfo() != null) {
                String[] user = proxy.getRawUserInfo().split(":", 2);
                credentials.setCredentials(
                        new AuthScope(host),
                        new UsernamePasswordCredentials(
                                decode(user[0]),
                                decode(user.length > 1 ? user[1] : "").toCharArray()));
            }
            return host;
        } catch (IllegalArgumentException | NullPointerException e) {
            // without the value, which may hold a password, and without the cause, which repeats it
            throw new ConfigException("%s names no proxy that is understood; expected http://[USER:PASSWORD@]HOST:PORT"
                    .formatted(key.toUpperCase(Locale.ROOT)));
        }
    }

    /** Matches as other clients do: a host and what is below it, with a port or without, or * for all. */
    private boolean isExempt(HttpHost target) {
        String host = target.getHostName().toLowerCase(Locale.ROOT);
        return Arrays.stream(value("no_proxy").toLowerCase(Locale.ROOT).split(","))
                .map(String::strip)
                .map(entry -> entry.startsWith(".") ? entry.substring(1) : entry)
                .filter(entry -> !entry.isEmpty())
                .anyMatch(entry -> entry.equals("*")
                        || (host + ":" + target.getPort()).equals(entry)
                        || host.equals(entry)
                        || host.endsWith("." + entry));
    }

    private String value(String key) {
        String lower = environment.getOrDefault(key, "");
        return (lower.isEmpty() ? environment.getOrDefault(key.toUpperCase(Locale.ROOT), "") : lower).strip();
    }

    /** Decodes %XX alone: a plus sign stays one. */
    private static String decode(String text) {
        return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
    }
}
