package io.lychee.rerank.image;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import java.io.IOException;
import java.net.Proxy;
import java.net.Socket;
import java.net.UnknownHostException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.hc.client5.http.DnsResolver;
import org.apache.hc.client5.http.SchemePortResolver;
import org.apache.hc.client5.http.classic.methods.HttpGet;
import org.apache.hc.client5.http.config.ConnectionConfig;
import org.apache.hc.client5.http.config.RequestConfig;
import org.apache.hc.client5.http.config.TlsConfig;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.client5.http.impl.io.DefaultHttpClientConnectionOperator;
import org.apache.hc.client5.http.impl.io.ManagedHttpClientConnectionFactory;
import org.apache.hc.client5.http.impl.io.PoolingHttpClientConnectionManagerBuilder;
import org.apache.hc.client5.http.io.HttpClientConnectionOperator;
import org.apache.hc.client5.http.ssl.TlsSocketStrategy;
import org.apache.hc.core5.http.ClassicHttpResponse;
import org.apache.hc.core5.http.Header;
import org.apache.hc.core5.http.HttpEntity;
import org.apache.hc.core5.http.HttpHost;
import org.apache.hc.core5.http.URIScheme;
import org.apache.hc.core5.http.config.Http1Config;
import org.apache.hc.core5.http.config.RegistryBuilder;
import org.apache.hc.core5.http.io.entity.EntityUtils;
import org.apache.hc.core5.io.CloseMode;
import org.apache.hc.core5.util.TimeValue;
import org.apache.hc.core5.util.Timeout;
import org.jspecify.annotations.Nullable;

/**
 * Fetches images over HTTP on the caller's thread, bounded in connections, headers, bytes, redirects and tries. Takes
 * no proxy, cookie or credential from anywhere. Follows redirects itself, so that each address is checked. Thread-safe.
 */
final class HttpImageClient implements AutoCloseable {

    private static final int MAX_HEADERS = 100;
    private static final int MAX_HEADER_BYTES = 16 * 1024;
    private static final long FIRST_BACKOFF_MS = 100;
    private static final byte[] NO_BODY = {};

    private final RerankConfig.Fetch config;
    private final int maxBytes;
    private final CloseableHttpClient client;

    /** @param maxBytes of one image */
    HttpImageClient(RerankConfig.Fetch config, int maxBytes, DnsResolver resolver) {
        this.config = config;
        this.maxBytes = maxBytes;
        Timeout connect = Timeout.of(config.connectTimeout());
        Http1Config headers = Http1Config.custom()
                .setMaxHeaderCount(MAX_HEADERS)
                .setMaxLineLength(MAX_HEADER_BYTES)
                .build();
        var connections = new DirectConnections()
                .setConnectionFactory(ManagedHttpClientConnectionFactory.builder()
                        .http1Config(headers)
                        .build())
                .setDnsResolver(new PublicAddresses(resolver, config.allowPrivateAddresses()))
                .setMaxConnTotal(config.maxConnections())
                .setMaxConnPerRoute(Math.max(1, config.maxConnections() / 2))
                .setDefaultConnectionConfig(ConnectionConfig.custom()
                        .setConnectTimeout(connect)
                        .setSocketTimeout(Timeout.of(config.timeout()))
                        .setValidateAfterInactivity(TimeValue.ofSeconds(1))
                        .setTimeToLive(TimeValue.ofMinutes(1))
                        .build())
                .setDefaultTlsConfig(
                        TlsConfig.custom().setHandshakeTimeout(connect).build())
                .build();
        this.client = HttpClients.custom()
                .setConnectionManager(connections)
                .setDefaultRequestConfig(RequestConfig.custom()
                        .setAuthenticationEnabled(false)
                        .setProtocolUpgradeEnabled(false)
                        .build())
                .disableRedirectHandling()
                .disableAutomaticRetries()
                .disableCookieManagement()
                .disableAuthCaching()
                .disableContentCompression()
                .evictExpiredConnections()
                .evictIdleConnections(TimeValue.ofSeconds(30))
                .setUserAgent("lychee-rerank")
                .build();
    }

    /** Connects past the SOCKS proxy that Java's system properties may name. */
    private static final class DirectConnections extends PoolingHttpClientConnectionManagerBuilder {

        @Override
        protected HttpClientConnectionOperator createConnectionOperator(
                SchemePortResolver ports, DnsResolver resolver, TlsSocketStrategy tls) {
            return new DefaultHttpClientConnectionOperator(
                    proxy -> new Socket(Proxy.NO_PROXY),
                    ports,
                    resolver,
                    RegistryBuilder.<TlsSocketStrategy>create()
                            .register(URIScheme.HTTPS.id, tls)
                            .build());
        }
    }

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Response(int status, @Nullable String location, byte[] body) {}

    /**
     * Fetches one image, and blocks until that ends.
     *
     * @param result aborts the exchange when completed by another thread, as at the time limit
     * @throws RejectedException when an address is refused, a limit is passed or the last try fails
     */
    byte[] fetch(String address, CompletableFuture<byte[]> result) throws RejectedException {
        String redirect = "";
        try {
            WebAddress target = WebAddress.parse(address, null);
            for (int redirects = 0; redirects <= config.maxRedirects(); redirects++) {
                Response response = respond(target, result);
                if (response.location == null) {
                    return response.body;
                }
                redirect = "redirects to what ";
                target = WebAddress.parse(response.location, target);
                redirect = "";
            }
            throw notFound("redirects more than " + config.maxRedirects() + " times (fetch.max-redirects)");
        } catch (RejectedException e) {
            throw ImageFetcher.rejected(e.reason(), address, redirect + e.getMessage());
        }
    }

    /** Requests until an image or a redirect comes. Retries server errors and broken exchanges. */
    private Response respond(WebAddress target, CompletableFuture<byte[]> result) throws RejectedException {
        for (int tries = 1; ; tries++) {
            String failure;
            try {
                Response response = exchange(target, result);
                if (response.status == 200 || response.location != null) {
                    return response;
                }
                failure = "answered " + response.status;
                if (response.status < 500) {
                    throw notFound(failure);
                }
            } catch (PublicAddresses.ForbiddenException e) {
                throw new RejectedException(
                        Reason.IMAGE_FORBIDDEN, "leads where fetching is not allowed: " + e.getMessage());
            } catch (IOException e) {
                String host = e instanceof UnknownHostException ? "no such host: " : "";
                String message = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
                failure = "failed: " + host + message;
            } catch (RuntimeException e) {
                throw notFound("failed: " + e);
            }
            if (tries == config.tries()) {
                throw notFound(failure + " (tried %d times, fetch.tries)".formatted(tries));
            }
            pause(FIRST_BACKOFF_MS << (tries - 1), result);
        }
    }

    private static void pause(long millis, CompletableFuture<byte[]> result) throws RejectedException {
        try {
            result.get(millis, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            return;
        } catch (ExecutionException | CancellationException | InterruptedException e) {
            // ends the fetch below
        }
        throw notFound("was given up");
    }

    private Response exchange(WebAddress target, CompletableFuture<byte[]> result)
            throws IOException, RejectedException {
        HttpGet request = new HttpGet("/");
        request.setPath(target.target());
        request.addHeader("Accept", "image/*");
        var unused = result.whenComplete((bytes, failure) -> request.cancel());
        HttpHost host = new HttpHost(target.scheme(), target.host(), target.port());
        try (ClassicHttpResponse response = client.executeOpen(host, request, null)) {
            int status = response.getCode();
            HttpEntity entity = response.getEntity();
            if (status == 200) {
                return new Response(status, null, entity == null ? NO_BODY : body(entity, request));
            }
            EntityUtils.consume(entity);
            Header header = status >= 300 && status < 400 ? response.getFirstHeader("Location") : null;
            String location = header == null ? null : header.getValue();
            return new Response(status, location == null ? null : ascii(location), NO_BODY);
        }
    }

    private byte[] body(HttpEntity entity, HttpGet request) throws IOException, RejectedException {
        long declared = entity.getContentLength();
        byte[] body = declared > maxBytes ? NO_BODY : entity.getContent().readNBytes(maxBytes + 1);
        if (declared <= maxBytes && body.length <= maxBytes) {
            return body;
        }
        request.cancel(); // closing the response would read the rest
        throw new RejectedException(
                Reason.IMAGE_TOO_LARGE,
                "has %s bytes; image.max-bytes is %d"
                        .formatted(declared > maxBytes ? declared : "more than " + maxBytes, maxBytes));
    }

    /** Percent-encodes the bytes that the client has read as Latin-1, so that UTF-8 is preserved. */
    private static String ascii(String latin) {
        StringBuilder out = new StringBuilder(latin.length());
        latin.chars().forEach(c -> out.append(c < 0x80 ? String.valueOf((char) c) : String.format("%%%02X", c)));
        return out.toString();
    }

    private static RejectedException notFound(String what) {
        return new RejectedException(Reason.IMAGE_NOT_FOUND, what);
    }

    @Override
    public void close() {
        client.close(CloseMode.IMMEDIATE);
    }
}
