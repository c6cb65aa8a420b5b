package io.lychee.rerank.gateway;

import io.lychee.rerank.config.ConfigException;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.file.FileSystemOptions;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.net.SocketAddress;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Serves the API, the console and health over HTTP. Owns its threads and connections, not the gateway. */
public final class GatewayServer implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(GatewayServer.class);
    private static final int TRIED_PORTS = 20;
    private static final int BACKLOG = 256;
    private static final int MAX_LINE_BYTES = 8 * 1024;
    private static final int MAX_HEAD_BYTES = 16 * 1024;
    private static final int MAX_CHUNK_BYTES = 64 * 1024;
    private static final long CLOSE_SECONDS = 2;
    private static final byte[] REHEARSAL =
            "{\"query\":\"hat\",\"documents\":[\"hat\"]}".getBytes(StandardCharsets.UTF_8);

    private final Router router = new Router();
    private final Live live;
    private final Dispatcher dispatcher;
    private final Vertx vertx = Vertx.vertx(new VertxOptions()
            .setEventLoopPoolSize(1)
            .setWorkerPoolSize(1)
            .setInternalBlockingPoolSize(1)
            .setUseDaemonThread(true)
            .setFileSystemOptions(
                    new FileSystemOptions().setFileCachingEnabled(false).setClassPathResolvingEnabled(false)));
    private final int port;

    /**
     * @param host a name or address of this machine; anything but loopback makes it reachable by others
     * @param port to listen on; 0 takes a free one
     * @param orNext takes one of the next ports where that one is in use
     */
    public record Address(String host, int port, boolean orNext) {}

    /**
     * Starts to listen.
     *
     * @param scenes folder of the demo's lists and pictures; null without them
     * @throws ConfigException when the address can't be listened on
     */
    public GatewayServer(Gateway gateway, Readiness readiness, Address address, @Nullable Path scenes) {
        this.live = new Live(gateway.config().kafka());
        this.dispatcher = new Dispatcher(gateway);
        new Console(gateway, readiness, scenes).addTo(router);
        router.add("/v2/rerank", new RerankApis.Cohere());
        router.add("/v1/rerank", new RerankApis.Jina());
        router.add("/rerank", new ServerApis.ByShape());
        router.add("/v1/ranking", new ServerApis.Nvidia());
        router.add("/score", new ServerApis.Score());
        router.add("/v1/score", new ServerApis.Score());
        router.add("/api/rerank", new RerankApis.Simple());
        router.add("/rerank_batch", new RerankApis.Batch());
        router.add("/api/lists", new ListsApi(gateway));
        router.add("/api/live", (Route.Events) live::subscribe);
        router.add("/api/live/", (Route.Lookup) path -> live.open(Router.lastSegment(path)));
        new Pictures(gateway.config(), live).addTo(router);
        ApiKeys keys = new ApiKeys(gateway.config().gateway().apiKey());
        InetAddress host = resolve(address, keys);
        HostCheck hosts =
                new HostCheck(address.host(), host, gateway.config().gateway().allowedHosts());
        Connections connections = new Connections(vertx, gateway.config().gateway());
        this.port = listen(
                new RequestHandler(router, hosts, keys, gateway, readiness, dispatcher, connections),
                connections,
                host,
                address);
    }

    /** Returns the address that the server listens on. */
    public int port() {
        return port;
    }

    /** Reranks one small list as a client's, whether ready or not; completes once it is answered or refused. */
    public CompletableFuture<?> rehearse() {
        return dispatcher
                .call(new RerankApis.Jina(), REHEARSAL, null, null)
                .handle((response, error) -> error == null ? response.serverTiming(0) : "");
    }

    Router router() {
        return router;
    }

    @Override
    public void close() {
        live.close();
        dispatcher.close();
        try {
            vertx.close()
                    .toCompletionStage()
                    .toCompletableFuture()
                    .orTimeout(CLOSE_SECONDS, TimeUnit.SECONDS)
                    .join();
        } catch (CompletionException e) {
            LOG.warn("the HTTP server did not close within {} s: {}", CLOSE_SECONDS, e.toString());
        }
    }

    private static InetAddress resolve(Address address, ApiKeys keys) {
        try {
            InetAddress host = InetAddress.getByName(address.host());
            if (!host.isLoopbackAddress() && !keys.areRequired()) {
                LOG.warn(
                        "--host is {}: whoever reaches this machine may use the gateway, which asks for no key"
                                + " (gateway.api-key)",
                        address.host());
            }
            return host;
        } catch (UnknownHostException e) {
            throw new ConfigException("no host \"" + address.host() + "\" (--host)", e);
        }
    }

    private int listen(RequestHandler handler, Connections connections, InetAddress host, Address address) {
        int last = address.port() + (address.orNext() ? TRIED_PORTS - 1 : 0);
        for (int tried = address.port(); ; tried++) {
            HttpServer server = vertx.createHttpServer(new HttpServerOptions()
                            .setAcceptBacklog(BACKLOG)
                            .setMaxInitialLineLength(MAX_LINE_BYTES)
                            .setMaxHeaderSize(MAX_HEAD_BYTES)
                            .setMaxChunkSize(MAX_CHUNK_BYTES)
                            .setHttp2ClearTextEnabled(false))
                    .connectionHandler(connections)
                    .requestHandler(handler)
                    .invalidRequestHandler(handler);
            try {
                return server.listen(SocketAddress.inetSocketAddress(new InetSocketAddress(host, tried)))
                        .toCompletionStage()
                        .toCompletableFuture()
                        .join()
                        .actualPort();
            } catch (CompletionException e) {
                if (tried == last) {
                    close();
                    throw notListening(address, e.getCause() == null ? e : e.getCause());
                }
            }
        }
    }

    private static ConfigException notListening(Address address, Throwable cause) {
        return new ConfigException(
                "can't listen on " + address.host() + ":" + address.port()
                        + (address.orNext() ? " or the " + (TRIED_PORTS - 1) + " ports behind it" : "") + ": "
                        + cause.getMessage() + " (--host, --port)",
                cause);
    }
}
