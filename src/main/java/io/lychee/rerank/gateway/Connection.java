package io.lychee.rerank.gateway;

import io.lychee.rerank.config.RerankConfig;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.netty.util.concurrent.Future;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One client, one request at a time. Refuses by the head alone what can be refused so, before a body costs memory; what
 * such a client still sends is read and thrown away, so that it gets to see the answer. All fields belong to the
 * connection's event loop.
 */
@SuppressWarnings("FutureReturnValueIgnored") // a write that fails closes the connection, which channelInactive is told
final class Connection extends SimpleChannelInboundHandler<HttpObject> {

    private static final Logger LOG = LoggerFactory.getLogger(Connection.class);

    private final Router router;
    private final Gateway gateway;
    private final RerankConfig.Gateway limits;
    private final Executor workers;

    private @Nullable Exchange current;
    private @Nullable Future<?> deadline;

    /** The connection's request in progress. */
    private static final class Exchange {
        final HttpRequest head;
        final long startedAt = System.nanoTime();
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        Api api = Api.PLAIN;
        Gateway.@Nullable Place place;

        @Nullable
        CompletableFuture<Response> answer;
        /** The body is of no use any more. */
        boolean refused;
        /** The whole request is here. */
        boolean read;

        boolean written;
        boolean keepAlive;

        @Nullable
        String clientId;

        Exchange(HttpRequest head) {
            this.head = head;
            this.keepAlive = HttpUtil.isKeepAlive(head);
        }

        void leave() {
            if (place != null) {
                place.close();
            }
            forgetBody();
        }

        /** A reset would keep its memory until the answer is there. */
        void forgetBody() {
            body = new ByteArrayOutputStream(0);
        }
    }

    Connection(Router router, Gateway gateway, Executor workers) {
        this.router = router;
        this.gateway = gateway;
        this.limits = gateway.config().gateway();
        this.workers = workers;
    }

    @Override
    public void channelActive(ChannelHandlerContext context) {
        awaitRequest(context);
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        stopWaiting();
        Exchange exchange = current;
        current = null;
        if (exchange != null) {
            if (exchange.answer != null) {
                exchange.answer.cancel(true);
            }
            exchange.leave();
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable error) {
        if (!(error instanceof IOException)) {
            LOG.warn("a connection is closed: {}", error.toString());
        }
        context.close();
    }

    @Override
    protected void channelRead0(ChannelHandlerContext context, HttpObject message) {
        if (message instanceof HttpRequest head) {
            if (current != null) {
                // a second request before the first is answered: it is not taken
                current.keepAlive = false;
                return;
            }
            begin(context, new Exchange(head));
        }
        Exchange exchange = current;
        if (exchange == null || exchange.read || !(message instanceof HttpContent content)) {
            return;
        }
        if (!content.decoderResult().isSuccess()) {
            refuse(context, exchange, RefusedException.badRequest("broken HTTP body"));
            return;
        }
        take(context, exchange, content);
    }

    private void begin(ChannelHandlerContext context, Exchange exchange) {
        current = exchange;
        try {
            admit(exchange);
            if (HttpUtil.is100ContinueExpected(exchange.head)) {
                context.writeAndFlush(
                        new DefaultFullHttpResponse(
                                HttpVersion.HTTP_1_1, HttpResponseStatus.CONTINUE, Unpooled.EMPTY_BUFFER),
                        context.voidPromise());
            }
        } catch (RefusedException e) {
            refuse(context, exchange, e);
        }
    }

    /** Everything that the head alone can tell. */
    private void admit(Exchange exchange) {
        HttpRequest head = exchange.head;
        if (!head.decoderResult().isSuccess()) {
            exchange.keepAlive = false;
            Throwable cause = head.decoderResult().cause();
            int status = cause instanceof TooLongHttpLineException
                    ? 414
                    : cause instanceof TooLongHttpHeaderException ? 431 : 400;
            throw new RefusedException(status, "the request's head can't be read");
        }
        exchange.api = router.api(Router.path(head.uri()));
        exchange.clientId = Router.clientId(head);
        Route route = router.route(head);
        if (!(route instanceof Route.Post)) {
            return;
        }
        router.requireJson(head);
        router.requireReady();
        long length = HttpUtil.getContentLength(head, 0L);
        if (length > limits.maxBodyBytes()) {
            throw tooLarge(length + " bytes");
        }
        exchange.place = gateway.enter();
        if (exchange.place == null) {
            throw new RefusedException(
                    429, limits.maxRequests() + " requests are in progress; no more are taken (gateway.max-requests)");
        }
    }

    private void take(ChannelHandlerContext context, Exchange exchange, HttpContent content) {
        ByteBuf bytes = content.content();
        if (!exchange.refused) {
            int most = exchange.place == null ? 0 : limits.maxBodyBytes();
            if (exchange.body.size() + bytes.readableBytes() > most) {
                refuse(
                        context,
                        exchange,
                        most == 0
                                ? RefusedException.badRequest("a body where none is expected")
                                : tooLarge("more than " + most + " bytes"));
            } else {
                byte[] chunk = new byte[bytes.readableBytes()];
                bytes.readBytes(chunk);
                exchange.body.writeBytes(chunk);
            }
        }
        if (content instanceof LastHttpContent) {
            exchange.read = true;
            if (exchange.refused) {
                finish(context, exchange);
            } else {
                stopWaiting();
                answer(context, exchange);
            }
        }
    }

    private void answer(ChannelHandlerContext context, Exchange exchange) {
        Request request = new Request(Router.path(exchange.head.uri()), exchange.body.toByteArray(), exchange.clientId);
        exchange.forgetBody();
        try {
            Route route = router.route(exchange.head);
            if (route instanceof Route.Get get) {
                write(context, exchange, get.get(request));
            } else if (route instanceof Route.Events events) {
                stream(context, exchange, events);
            } else if (route instanceof Route.Post post) {
                CompletableFuture<Response> answer = post(post, request);
                exchange.answer = answer;
                var unused = answer.whenComplete((response, error) -> {
                    if (!answer.isCancelled()) {
                        Response told = error == null ? response : refusal(exchange, told(error));
                        context.executor().execute(() -> write(context, exchange, told));
                    }
                });
            }
        } catch (RefusedException e) {
            write(context, exchange, refusal(exchange, e));
        }
    }

    private CompletableFuture<Response> post(Route.Post post, Request request) {
        CompletableFuture<Response> answer = new CompletableFuture<>();
        try {
            workers.execute(() -> {
                if (answer.isDone()) {
                    return; // hung up meanwhile
                }
                try {
                    CompletableFuture<Response> work = post.answering().answer(post.api(), request);
                    var unusedCopy = work.whenComplete((response, error) -> {
                        if (error == null) {
                            answer.complete(response);
                        } else {
                            answer.completeExceptionally(error);
                        }
                    });
                    // whoever stops waiting for the one stops waiting for the other
                    var unusedCancel = answer.whenComplete((response, error) -> work.cancel(true));
                } catch (RuntimeException e) {
                    answer.completeExceptionally(e);
                }
            });
        } catch (RejectedExecutionException e) {
            answer.completeExceptionally(new RefusedException(503, "the gateway is shutting down"));
        }
        return answer.orTimeout(limits.timeout().toMillis(), TimeUnit.MILLISECONDS);
    }

    private RefusedException told(Throwable error) {
        Throwable cause = error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
        if (cause instanceof RefusedException refused) {
            return refused;
        }
        if (cause instanceof TimeoutException) {
            return new RefusedException(
                    504,
                    "no answer within " + limits.timeout().toMillis() + " ms (gateway.timeout); is a job running?");
        }
        LOG.error("a request failed", cause);
        return new RefusedException(500, "the gateway failed; its log says why");
    }

    private static RefusedException tooLarge(String found) {
        return new RefusedException(413, "the body has " + found + "; see gateway.max-body-bytes");
    }

    private static Response refusal(Exchange exchange, RefusedException e) {
        Response response = Response.json(e.status(), exchange.api.error(e, exchange.clientId));
        if (e.status() == 405) {
            boolean post = exchange.api != Api.PLAIN;
            response = response.with("Allow", post ? "POST" : "GET, HEAD");
        }
        return e.status() == 429 || e.status() == 503 ? response.with("Retry-After", "1") : response;
    }

    /** Answers before the request is read; the rest of it is thrown away. */
    private void refuse(ChannelHandlerContext context, Exchange exchange, RefusedException e) {
        exchange.refused = true;
        exchange.leave();
        exchange.keepAlive &= HttpUtil.getContentLength(exchange.head, 0L) == 0;
        write(context, exchange, refusal(exchange, e));
    }

    private void write(ChannelHandlerContext context, Exchange exchange, Response response) {
        if (current != exchange || exchange.written) {
            return; // hung up meanwhile
        }
        exchange.written = true;
        exchange.leave();
        boolean head = exchange.head.method().equals(HttpMethod.HEAD);
        ByteBuf body = head ? Unpooled.EMPTY_BUFFER : Unpooled.wrappedBuffer(response.body());
        HttpResponse message =
                new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.valueOf(response.status()), body);
        Router.headers(message, response.contentType());
        response.headers().forEach((name, value) -> message.headers().set(name, value));
        message.headers()
                .set("Server-Timing", response.serverTiming(System.nanoTime() - exchange.startedAt))
                .setInt(HttpHeaderNames.CONTENT_LENGTH, response.body().length);
        if (exchange.clientId != null) {
            message.headers().set("X-Request-Id", exchange.clientId);
        }
        HttpUtil.setKeepAlive(message, exchange.keepAlive);
        context.writeAndFlush(message, context.voidPromise());
        finish(context, exchange);
    }

    /** Once the request is read and the answer written, in whichever order. */
    private void finish(ChannelHandlerContext context, Exchange exchange) {
        if (!exchange.read || !exchange.written) {
            return;
        }
        if (exchange.keepAlive) {
            current = null;
            awaitRequest(context);
        } else {
            closeAfterwards(context.writeAndFlush(Unpooled.EMPTY_BUFFER));
        }
    }

    private void stream(ChannelHandlerContext context, Exchange exchange, Route.Events events) {
        events.subscribe(new ServerSentEvents(context.channel()));
        exchange.written = true;
        HttpResponse message = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
        Router.headers(message, "text/event-stream");
        message.headers().set("Server-Timing", "gateway;dur=0");
        HttpUtil.setTransferEncodingChunked(message, true);
        context.writeAndFlush(message, context.voidPromise());
    }

    private void awaitRequest(ChannelHandlerContext context) {
        stopWaiting();
        deadline = context.executor()
                .schedule(() -> late(context), limits.readTimeout().toMillis(), TimeUnit.MILLISECONDS);
    }

    private void late(ChannelHandlerContext context) {
        Exchange exchange = current;
        if (exchange != null && !exchange.written) {
            exchange.keepAlive = false;
            exchange.read = true;
            write(
                    context,
                    exchange,
                    refusal(
                            exchange,
                            new RefusedException(
                                    408,
                                    "the request was not here within "
                                            + limits.readTimeout().toMillis() + " ms (gateway.read-timeout)")));
        } else {
            context.close();
        }
    }

    private void stopWaiting() {
        if (deadline != null) {
            deadline.cancel(false);
            deadline = null;
        }
    }

    private static void closeAfterwards(ChannelFuture written) {
        var unused = written.addListener(ChannelFutureListener.CLOSE);
    }
}
