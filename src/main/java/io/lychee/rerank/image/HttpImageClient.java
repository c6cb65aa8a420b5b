package io.lychee.rerank.image;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import java.io.IOException;
import java.net.UnknownHostException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.hc.client5.http.DnsResolver;
import org.apache.hc.client5.http.config.ConnectionConfig;
import org.apache.hc.client5.http.config.RequestConfig;
import org.apache.hc.client5.http.config.TlsConfig;
import org.apache.hc.client5.http.impl.async.CloseableHttpAsyncClient;
import org.apache.hc.client5.http.impl.async.HttpAsyncClients;
import org.apache.hc.client5.http.impl.nio.PoolingAsyncClientConnectionManagerBuilder;
import org.apache.hc.core5.concurrent.FutureCallback;
import org.apache.hc.core5.http.HttpHost;
import org.apache.hc.core5.http.Method;
import org.apache.hc.core5.http.config.Http1Config;
import org.apache.hc.core5.http.message.BasicHttpRequest;
import org.apache.hc.core5.http.nio.support.BasicRequestProducer;
import org.apache.hc.core5.http2.HttpVersionPolicy;
import org.apache.hc.core5.io.CloseMode;
import org.apache.hc.core5.reactor.IOReactorConfig;
import org.apache.hc.core5.util.TimeValue;
import org.apache.hc.core5.util.Timeout;
import org.jspecify.annotations.Nullable;

/**
 * Pictures from the web. Takes no proxy, cookie or credential from anywhere; follows redirects itself, so that each is
 * checked; bounded in connections, bytes, time and tries. Thread-safe.
 */
final class HttpImageClient implements AutoCloseable {

    private static final int MAX_HEADERS = 100;
    private static final int MAX_HEADER_BYTES = 16 * 1024;
    private static final long FIRST_BACKOFF_MS = 100;

    private final RerankConfig.Fetch config;
    private final int maxBytes;
    private final Executor starters;
    private final ScheduledExecutorService timer;
    private final CloseableHttpAsyncClient client;

    /**
     * @param maxBytes of one picture
     * @param starters where connections are begun, since that resolves names and so blocks
     * @param timer for time limits and pauses between tries
     */
    HttpImageClient(
            RerankConfig.Fetch config,
            int maxBytes,
            DnsResolver resolver,
            Executor starters,
            ScheduledExecutorService timer) {
        this.config = config;
        this.maxBytes = maxBytes;
        this.starters = starters;
        this.timer = timer;
        Timeout total = Timeout.of(config.timeout());
        var connections = PoolingAsyncClientConnectionManagerBuilder.create()
                .setDnsResolver(new PublicAddresses(resolver, config.allowPrivateAddresses()))
                .setMaxConnTotal(config.maxConnections())
                .setMaxConnPerRoute(Math.max(1, config.maxConnections() / 2))
                .setDefaultConnectionConfig(ConnectionConfig.custom()
                        .setConnectTimeout(Timeout.of(config.connectTimeout()))
                        .setSocketTimeout(total)
                        .setValidateAfterInactivity(TimeValue.ofSeconds(1))
                        .setTimeToLive(TimeValue.ofMinutes(1))
                        .build())
                .setDefaultTlsConfig(TlsConfig.custom()
                        .setVersionPolicy(HttpVersionPolicy.FORCE_HTTP_1)
                        .setHandshakeTimeout(Timeout.of(config.connectTimeout()))
                        .build())
                .build();
        this.client = HttpAsyncClients.custom()
                .setConnectionManager(connections)
                .setHttp1Config(Http1Config.custom()
                        .setMaxHeaderCount(MAX_HEADERS)
                        .setMaxLineLength(MAX_HEADER_BYTES)
                        .build())
                .setIOReactorConfig(IOReactorConfig.custom().setIoThreadCount(2).build())
                .setThreadFactory(Threads.daemons("image-http"))
                .setDefaultRequestConfig(RequestConfig.custom()
                        .setConnectionRequestTimeout(total)
                        .setResponseTimeout(total)
                        .setAuthenticationEnabled(false)
                        .setProtocolUpgradeEnabled(false)
                        .build())
                .disableRedirectHandling()
                .disableAutomaticRetries()
                .disableCookieManagement()
                .disableAuthCaching()
                .evictExpiredConnections()
                .evictIdleConnections(TimeValue.ofSeconds(30))
                .setUserAgent("lychee-rerank")
                .build();
        this.client.start();
    }

    /** Never blocks. Completes exceptionally with {@link RejectedException}. */
    CompletableFuture<byte[]> fetch(String address) {
        Exchange exchange = new Exchange(address);
        exchange.begin();
        return exchange.result;
    }

    @Override
    public void close() {
        client.close(CloseMode.IMMEDIATE);
    }

    /** One picture, over tries and redirects. Its steps never overlap; only {@code result} is shared. */
    private final class Exchange implements FutureCallback<HttpImageResponse> {

        private final CompletableFuture<byte[]> result = new CompletableFuture<>();
        private final String address;
        private @Nullable WebAddress target;
        private int tries;
        private int redirects;

        Exchange(String address) {
            this.address = address;
        }

        void begin() {
            Future<?> limit = timer.schedule(
                    () -> reject(Reason.IMAGE_NOT_FOUND, "took more than fetch.timeout, " + config.timeout()),
                    config.timeout().toMillis(),
                    TimeUnit.MILLISECONDS);
            var unused = result.whenComplete((bytes, failure) -> limit.cancel(false));
            go(address, null);
        }

        private void go(String to, @Nullable WebAddress from) {
            try {
                target = WebAddress.parse(to, from);
                attempt();
            } catch (RejectedException e) {
                reject(e.reason(), (from == null ? "" : "redirects to what ") + e.getMessage());
            }
        }

        private void attempt() {
            WebAddress to = target;
            if (to == null) {
                return;
            }
            tries++;
            HttpHost host = new HttpHost(to.scheme(), to.host(), to.port());
            BasicHttpRequest request = new BasicHttpRequest(Method.GET, host, to.target());
            request.addHeader("Accept", "image/*");
            try {
                starters.execute(() -> {
                    if (result.isDone()) {
                        return;
                    }
                    try {
                        Future<HttpImageResponse> exchange = client.execute(
                                new BasicRequestProducer(request, null),
                                new HttpImageResponse.Consumer(maxBytes),
                                this);
                        var unused = result.whenComplete((bytes, failure) -> exchange.cancel(true));
                    } catch (RuntimeException e) {
                        failed(e);
                    }
                });
            } catch (RejectedExecutionException e) {
                cancelled();
            }
        }

        @Override
        public void completed(HttpImageResponse answer) {
            int status = answer.status();
            if (status == 200) {
                result.complete(answer.body());
            } else if (status >= 300 && status < 400 && answer.location() != null && target != null) {
                redirect(target, answer.location());
            } else if (status >= 500) {
                retry("answered " + status);
            } else {
                reject(Reason.IMAGE_NOT_FOUND, "answered " + status);
            }
        }

        private void redirect(WebAddress from, String location) {
            if (++redirects > config.maxRedirects()) {
                reject(
                        Reason.IMAGE_NOT_FOUND,
                        "redirects more than " + config.maxRedirects() + " times (fetch.max-redirects)");
                return;
            }
            tries = 0;
            go(location, from);
        }

        @Override
        public void failed(Exception e) {
            if (e instanceof PublicAddresses.ForbiddenException) {
                reject(Reason.IMAGE_FORBIDDEN, "leads where fetching is not allowed: " + e.getMessage());
            } else if (e instanceof HttpImageResponse.TooLargeException) {
                reject(Reason.IMAGE_TOO_LARGE, e.getMessage());
            } else if (e instanceof IOException) {
                String host = e instanceof UnknownHostException ? "no such host: " : "";
                retry("failed: " + host + (e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage()));
            } else {
                reject(Reason.IMAGE_NOT_FOUND, "failed: " + e);
            }
        }

        @Override
        public void cancelled() {
            reject(Reason.IMAGE_NOT_FOUND, "was given up");
        }

        private void retry(String what) {
            if (tries >= config.tries()) {
                reject(Reason.IMAGE_NOT_FOUND, what + " (tried %d times, fetch.tries)".formatted(tries));
                return;
            }
            try {
                var unused = timer.schedule(this::attempt, FIRST_BACKOFF_MS << (tries - 1), TimeUnit.MILLISECONDS);
            } catch (RejectedExecutionException e) {
                cancelled();
            }
        }

        private void reject(Reason reason, @Nullable String what) {
            result.completeExceptionally(
                    new RejectedException(reason, "the image %s %s".formatted(ImageFetcher.shorten(address), what)));
        }
    }
}
