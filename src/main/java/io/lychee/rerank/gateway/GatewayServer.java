package io.lychee.rerank.gateway;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.QueryStringDecoder;
import io.netty.handler.timeout.WriteTimeoutHandler;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The HTTP server: API, console, health. Owns its threads and connections, not the gateway. */
public final class GatewayServer implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(GatewayServer.class);
    private static final int IO_THREADS = 2;
    private static final int WORKERS = 4;
    private static final int TRIED_PORTS = 20;
    private static final int MAX_LINE = 8 * 1024;
    private static final int MAX_HEAD = 16 * 1024;
    private static final int CHUNK = 64 * 1024;
    private static final byte[] REHEARSAL =
            "{\"query\":\"hat\",\"documents\":[\"hat\"]}".getBytes(StandardCharsets.UTF_8);

    private final Gateway gateway;
    private final Router router;
    private final HostCheck hosts;
    private final Live live;
    private final ExecutorService workers = Executors.newFixedThreadPool(WORKERS, work -> {
        Thread thread = new Thread(work, "gateway-worker");
        thread.setDaemon(true);
        return thread;
    });
    private final MultiThreadIoEventLoopGroup io =
            new MultiThreadIoEventLoopGroup(IO_THREADS, NioIoHandler.newFactory());
    private final ChannelGroup open = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE);
    private final Channel channel;

    /**
     * @param host a name or address of this machine; anything but loopback makes it reachable by others
     * @param port to listen on; 0 takes a free one
     * @param orNext takes one of the next ports where that one is in use
     */
    public record Address(String host, int port, boolean orNext) {}

    private GatewayServer(Gateway gateway, Readiness readiness, Address address, @Nullable Path scenes) {
        this.gateway = gateway;
        this.live = new Live(gateway.config().kafka());
        InetAddress host;
        try {
            host = InetAddress.getByName(address.host());
        } catch (UnknownHostException e) {
            throw new ConfigException("no host \"" + address.host() + "\" (--host)", e);
        }
        this.router = new Router(readiness);
        this.hosts =
                new HostCheck(address.host(), host, gateway.config().gateway().allowedHosts());
        if (!host.isLoopbackAddress()) {
            LOG.warn(
                    "--host is {}: whoever reaches this machine may use the gateway, which has no authentication of its"
                            + " own",
                    address.host());
        }
        new Console(gateway, readiness, scenes).addTo(router);
        router.add("/v2/rerank", new Route.Post(new RerankApis.Cohere(), this::answer));
        router.add("/v1/rerank", new Route.Post(new RerankApis.Jina(), this::answer));
        router.add("/api/rerank", new Route.Post(new RerankApis.Simple(), this::answer));
        router.add("/rerank_batch", new Route.Post(new RerankApis.Batch(), this::answer));
        router.add("/api/lists", new Route.Post(new RerankApis.Lists(gateway), this::answer));
        router.add("/api/live", (Route.Events) live::subscribe);
        router.add("/api/live/", (Route.Get) request -> live.open(lastSegment(request.path())));
        this.channel = bind(host, address);
    }

    /** @throws ConfigException when the address can't be listened on */
    public static GatewayServer start(Gateway gateway, Readiness readiness, Address address, @Nullable Path scenes) {
        return new GatewayServer(gateway, readiness, address, scenes);
    }

    /** Where it listens. */
    public int port() {
        return ((InetSocketAddress) channel.localAddress()).getPort();
    }

    /**
     * One small list, whether ready or not, by the way that clients' lists take; done once it is answered or refused.
     */
    public CompletableFuture<?> rehearse() {
        return answer(new RerankApis.Jina(), new Request("/v1/rerank", REHEARSAL, null, null))
                .handle((response, error) -> error == null ? response.serverTiming(0) : "");
    }

    Router router() {
        return router;
    }

    @Override
    public void close() {
        live.close();
        channel.close().syncUninterruptibly();
        open.close().awaitUninterruptibly(1000);
        workers.shutdownNow();
        io.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(2000);
    }

    /** @throws HttpError 400 when it isn't percent-encoded UTF-8 */
    private static String lastSegment(String path) {
        try {
            return new QueryStringDecoder(path.substring(path.lastIndexOf('/') + 1)).path();
        } catch (IllegalArgumentException e) {
            throw HttpError.badRequest("the path's end can't be decoded: " + e.getMessage());
        }
    }

    private CompletableFuture<Response> answer(Api api, Request request) {
        int tokens = gateway.bodies().count(request.body());
        if (request.place() != null) {
            request.place().reserve((long) tokens * Admission.TOKEN_BYTES);
        }
        Api.Call call = api.read(request, gateway);
        CompletableFuture<Reply> reply = gateway.ask(call.list());
        CompletableFuture<Response> response = reply.thenApplyAsync(call.write(), workers);
        // nobody waits for the reply when nobody waits for the response
        var unused = response.whenComplete((done, error) -> reply.cancel(false));
        return response;
    }

    private Channel bind(InetAddress host, Address address) {
        RerankConfig.Gateway limits = gateway.config().gateway();
        ServerBootstrap server = new ServerBootstrap()
                .group(io)
                .channel(NioServerSocketChannel.class)
                .option(ChannelOption.SO_BACKLOG, 256)
                .childOption(ChannelOption.TCP_NODELAY, true)
                .childOption(ChannelOption.WRITE_BUFFER_WATER_MARK, new WriteBufferWaterMark(256 << 10, 1 << 20))
                .childHandler(new ChannelInitializer<SocketChannel>() {
                    @Override
                    protected void initChannel(SocketChannel client) {
                        if (open.size() >= limits.maxConnections()) {
                            var unused = client.close();
                            return;
                        }
                        open.add(client);
                        client.pipeline()
                                .addLast(
                                        new WriteTimeoutHandler(
                                                limits.readTimeout().toMillis(), TimeUnit.MILLISECONDS),
                                        new HttpServerCodec(MAX_LINE, MAX_HEAD, CHUNK),
                                        new Connection(router, hosts, gateway, workers));
                    }
                });
        int tries = address.orNext() ? TRIED_PORTS : 1;
        for (int i = 0; i < tries; i++) {
            ChannelFuture bound = server.bind(host, address.port() + i).awaitUninterruptibly();
            if (bound.isSuccess()) {
                return bound.channel();
            }
            if (i == tries - 1) {
                close(bound.cause(), address);
            }
        }
        throw new IllegalStateException("unreachable");
    }

    private void close(Throwable cause, Address address) {
        workers.shutdownNow();
        io.shutdownGracefully(0, 0, TimeUnit.SECONDS).syncUninterruptibly();
        throw new ConfigException(
                "can't listen on " + address.host() + ":" + address.port()
                        + (address.orNext() ? " or the " + (TRIED_PORTS - 1) + " ports behind it" : "") + ": "
                        + cause.getMessage() + " (--host, --port)",
                cause);
    }
}
