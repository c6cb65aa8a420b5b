package io.lychee.rerank.hub;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.Map;
import org.apache.hc.client5.http.classic.methods.HttpGet;
import org.apache.hc.client5.http.config.ConnectionConfig;
import org.apache.hc.client5.http.config.RequestConfig;
import org.apache.hc.client5.http.config.TlsConfig;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.client5.http.impl.io.PoolingHttpClientConnectionManagerBuilder;
import org.apache.hc.client5.http.utils.DateUtils;
import org.apache.hc.core5.http.ClassicHttpResponse;
import org.apache.hc.core5.http.Header;
import org.apache.hc.core5.http.HttpEntity;
import org.apache.hc.core5.http.HttpHost;
import org.apache.hc.core5.http.io.entity.EntityUtils;
import org.apache.hc.core5.io.CloseMode;
import org.apache.hc.core5.util.Timeout;
import org.jspecify.annotations.Nullable;

/**
 * Sends requests to one hub, through the environment's proxies. Follows redirects itself, so that credentials go to the
 * hub's own host alone. Thread-safe.
 */
final class HubClient implements AutoCloseable {

    /** Connections at once, as many as the Python clients use. */
    static final int CONNECTIONS = 4;

    private static final int MAX_REDIRECTS = 5;
    private static final int MAX_JSON_BYTES = 16 << 20;
    /** Bodies of redirects and errors up to this size are read, so that their connection can be used again. */
    private static final int MAX_DISCARDED_BYTES = 64 * 1024;

    private static final Timeout CONNECT = Timeout.ofSeconds(10);
    /** Longest time without a byte. */
    private static final Timeout SILENCE = Timeout.ofSeconds(30);

    private static final ObjectMapper JSON = new ObjectMapper();

    private final URI endpoint;
    private final Map<String, String> credentials;
    private final Retries retries;
    private final CloseableHttpClient client;

    /** @param credentials headers for the endpoint's host */
    HubClient(URI endpoint, Map<String, String> credentials, Map<String, String> environment, Retries retries) {
        this.endpoint = endpoint;
        this.credentials = credentials;
        this.retries = retries;
        EnvironmentProxies proxies = new EnvironmentProxies(environment);
        this.client = HttpClients.custom()
                .setConnectionManager(PoolingHttpClientConnectionManagerBuilder.create()
                        .setMaxConnTotal(CONNECTIONS)
                        .setMaxConnPerRoute(CONNECTIONS)
                        .setDefaultConnectionConfig(ConnectionConfig.custom()
                                .setConnectTimeout(CONNECT)
                                .setSocketTimeout(SILENCE)
                                .build())
                        .setDefaultTlsConfig(
                                TlsConfig.custom().setHandshakeTimeout(CONNECT).build())
                        .build())
                .setDefaultRequestConfig(
                        RequestConfig.custom().setProtocolUpgradeEnabled(false).build())
                .setRoutePlanner(proxies)
                .setDefaultCredentialsProvider(proxies.credentials())
                .disableRedirectHandling()
                .disableAutomaticRetries()
                .disableCookieManagement()
                .disableContentCompression()
                .setUserAgent("lychee-rerank")
                .build();
    }

    Retries retries() {
        return retries;
    }

    interface Reader<T> {
        T read(ClassicHttpResponse response) throws IOException;
    }

    /** Reads a JSON answer of at most 16 MiB. */
    JsonNode json(URI address) throws IOException {
        return retries.send(() -> get(address, Map.of("Accept", "application/json"), response -> {
            HttpEntity entity = response.getEntity();
            byte[] body = entity == null ? new byte[0] : entity.getContent().readNBytes(MAX_JSON_BYTES + 1);
            if (body.length > MAX_JSON_BYTES) {
                throw new IOException(where(address) + " answered more than " + MAX_JSON_BYTES + " bytes");
            }
            try {
                return JSON.readTree(body);
            } catch (JacksonException e) {
                throw new IOException(where(address) + " answered no JSON: " + e.getOriginalMessage(), e);
            }
        }));
    }

    /**
     * Sends one request, follows its redirects, and reads the answer.
     *
     * @throws StatusException for a status that is neither 2xx nor a redirect
     * @throws ConfigException for a redirect away from the web, from https to http, or one too many
     */
    <T> T get(URI address, Map<String, String> headers, Reader<T> reader) throws IOException {
        URI next = address;
        for (int redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
            URI here = next;
            HttpGet request = new HttpGet(here);
            headers.forEach(request::addHeader);
            if (isEndpoint(here)) {
                credentials.forEach(request::addHeader);
            }
            HttpHost host = new HttpHost(here.getScheme(), here.getHost(), here.getPort());
            try (ClassicHttpResponse response = client.executeOpen(host, request, null)) {
                try {
                    int status = response.getCode();
                    if (status / 100 == 2) {
                        return reader.read(response);
                    }
                    Header location = status / 100 == 3 ? response.getFirstHeader("Location") : null;
                    discard(response);
                    if (location == null) {
                        throw new StatusException(status, where(here), retryAfter(response));
                    }
                    next = redirect(here, location.getValue());
                } catch (IOException | RuntimeException e) {
                    request.cancel(); // closing the response would read the rest
                    throw e;
                }
            }
        }
        throw new ConfigException(where(address) + " redirects more than " + MAX_REDIRECTS + " times");
    }

    /** Leaves a large body to the close of its connection. */
    private static void discard(ClassicHttpResponse response) throws IOException {
        HttpEntity entity = response.getEntity();
        if (entity != null && entity.getContentLength() >= 0 && entity.getContentLength() <= MAX_DISCARDED_BYTES) {
            EntityUtils.consume(entity);
        }
    }

    private static URI redirect(URI from, String location) {
        URI to;
        try {
            to = from.resolve(location);
        } catch (IllegalArgumentException e) {
            throw new ConfigException(where(from) + " redirects to what is no address");
        }
        boolean web = to.getHost() != null && ("https".equals(to.getScheme()) || "http".equals(to.getScheme()));
        if (!web || ("https".equals(from.getScheme()) && "http".equals(to.getScheme()))) {
            throw new ConfigException(where(from) + " redirects to " + where(to) + "; expected https");
        }
        return to;
    }

    private boolean isEndpoint(URI address) {
        return address.getScheme().equals(endpoint.getScheme())
                && address.getHost()
                        .toLowerCase(Locale.ROOT)
                        .equals(endpoint.getHost().toLowerCase(Locale.ROOT))
                && port(address) == port(endpoint);
    }

    private static int port(URI address) {
        return address.getPort() >= 0 ? address.getPort() : address.getScheme().equals("https") ? 443 : 80;
    }

    /** Names an address without its query, which may hold a signature. */
    private static String where(URI address) {
        return address.getScheme() + "://" + address.getHost() + (address.getPort() < 0 ? "" : ":" + address.getPort())
                + address.getRawPath();
    }

    /** Reads seconds or a date; null when the header is absent or neither. */
    private static @Nullable Duration retryAfter(ClassicHttpResponse response) {
        Header header = response.getFirstHeader("Retry-After");
        if (header == null) {
            return null;
        }
        if (header.getValue().matches("\\d{1,9}")) {
            return Duration.ofSeconds(Long.parseLong(header.getValue()));
        }
        Instant date = DateUtils.parseStandardDate(header.getValue());
        Duration wait = date == null ? null : Duration.between(Instant.now(), date);
        return wait == null || !wait.isNegative() ? wait : Duration.ZERO;
    }

    @Override
    public void close() {
        client.close(CloseMode.IMMEDIATE);
    }
}
