package io.lychee.rerank.gateway;

import io.lychee.rerank.config.RerankConfig;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.socket.SocketChannel;
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
import java.net.InetSocketAddress;
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
    private final HostCheck hosts;
    private final Gateway gateway;
    private final RerankConfig.Gateway limits;
    private final Executor workers;

    private @Nullable Exchange current;
    private @Nullable Future<?> deadline;

    Connection(Router router, HostCheck hosts, Gateway gateway, Executor workers) {
        this.router = router;
        this.hosts = hosts;
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
            if (!exchange.written) {
                exchange.release();
            }
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable error) {
        Exchange exchange = current;
        if (exchange != null && !exchange.written && !(error instanceof IOException)) {
            refuse(context, exchange, told(error));
            return;
        }
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
            refuse(context, exchange, HttpError.badRequest("broken HTTP body"));
            return;
        }
        take(context, exchange, content);
    }

    private void begin(ChannelHandlerContext context, Exchange exchange) {
        current = exchange;
        try {
            admit(context, exchange);
            if (HttpUtil.is100ContinueExpected(exchange.head)) {
                context.writeAndFlush(
                        new DefaultFullHttpResponse(
                                HttpVersion.HTTP_1_1, HttpResponseStatus.CONTINUE, Unpooled.EMPTY_BUFFER),
                        context.voidPromise());
            }
        } catch (HttpError e) {
            refuse(context, exchange, e);
        }
    }

    /** Everything that the head alone can tell. */
    private void admit(ChannelHandlerContext context, Exchange exchange) {
        HttpRequest head = exchange.head;
        if (!head.decoderResult().isSuccess()) {
            // nothing behind it can be read either
            exchange.keepAlive = false;
            exchange.read = true;
            requireChunked(exchange);
            Throwable cause = head.decoderResult().cause();
            int status = cause instanceof TooLongHttpLineException
                    ? 414
                    : cause instanceof TooLongHttpHeaderException ? 431 : 400;
            throw new HttpError(status, "the request's head can't be read");
        }
        exchange.api = router.api(Router.path(head.uri()));
        exchange.clientId = Router.clientId(head);
        requireChunked(exchange);
        hosts.check(head, (InetSocketAddress) context.channel().localAddress());
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
        exchange.place = gateway.admission().enter();
        exchange.place.reserve(length * Admission.BODY_FACTOR);
        exchange.body = new ByteArrayOutputStream((int) length);
    }

    /** @throws HttpError 501 for a body in another form, whose end nobody knows */
    private static void requireChunked(Exchange exchange) {
        String codings = String.join(", ", exchange.head.headers().getAll(HttpHeaderNames.TRANSFER_ENCODING));
        if (!codings.isEmpty() && !codings.trim().equalsIgnoreCase("chunked")) {
            exchange.keepAlive = false;
            throw new HttpError(501, "Transfer-Encoding is " + codings + "; expected chunked or none");
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
                                ? HttpError.badRequest("a body where none is expected")
                                : tooLarge("more than " + most + " bytes"));
            } else {
                keep(context, exchange, bytes);
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

    private void keep(ChannelHandlerContext context, Exchange exchange, ByteBuf bytes) {
        try {
            if (exchange.place != null && HttpUtil.isTransferEncodingChunked(exchange.head)) {
                exchange.place.reserve((long) bytes.readableBytes() * Admission.BODY_FACTOR);
            }
            byte[] chunk = new byte[bytes.readableBytes()];
            bytes.readBytes(chunk);
            exchange.body.writeBytes(chunk);
        } catch (HttpError e) {
            refuse(context, exchange, e);
        }
    }

    private void answer(ChannelHandlerContext context, Exchange exchange) {
        Request request = new Request(
                Router.path(exchange.head.uri()), exchange.body.toByteArray(), exchange.place, exchange.clientId);
        exchange.forgetBody();
        try {
            Route route = router.route(exchange.head);
            if (route instanceof Route.Get get) {
                write(context, exchange, get.get(request));
            } else if (route instanceof Route.Events events) {
                if (exchange.head.method().equals(HttpMethod.HEAD)) {
                    write(context, exchange, Response.of("text/event-stream", new byte[0]));
                } else {
                    stream(context, exchange, events);
                }
            } else if (route instanceof Route.Post post) {
                CompletableFuture<Response> answer = post(post, request, exchange.place);
                exchange.answer = answer;
                var unused = answer.whenComplete((response, error) -> {
                    if (!answer.isCancelled()) {
                        Response told = error == null ? response : exchange.refusal(told(error));
                        context.executor().execute(() -> write(context, exchange, told));
                    }
                });
            }
        } catch (HttpError e) {
            write(context, exchange, exchange.refusal(e));
        }
    }

    private CompletableFuture<Response> post(Route.Post post, Request request, Admission.@Nullable Place place) {
        CompletableFuture<Response> answer = new CompletableFuture<>();
        CompletableFuture<Void> done = new CompletableFuture<>();
        if (place != null) {
            // also after a client hung up, until no worker has its body any more
            place.hold();
            var unused = done.whenComplete((nothing, error) -> place.release());
        }
        try {
            workers.execute(() -> {
                if (answer.isDone()) {
                    done.complete(null); // hung up meanwhile
                    return;
                }
                try {
                    CompletableFuture<Response> work = post.answering().answer(post.api(), request);
                    var unusedCopy = work.whenComplete((response, error) -> {
                        done.complete(null);
                        if (error == null) {
                            answer.complete(response);
                        } else {
                            answer.completeExceptionally(error);
                        }
                    });
                    // whoever stops waiting for the one stops waiting for the other
                    var unusedCancel = answer.whenComplete((response, error) -> work.cancel(true));
                } catch (RuntimeException | Error e) {
                    done.complete(null);
                    answer.completeExceptionally(e);
                }
            });
        } catch (RejectedExecutionException e) {
            done.complete(null);
            answer.completeExceptionally(new HttpError(503, "the gateway is shutting down"));
        }
        return answer.orTimeout(limits.timeout().toMillis(), TimeUnit.MILLISECONDS);
    }

    private HttpError told(Throwable error) {
        Throwable cause = error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
        if (cause instanceof HttpError refused) {
            return refused;
        }
        if (cause instanceof TimeoutException) {
            return new HttpError(
                    504,
                    "no answer within " + limits.timeout().toMillis() + " ms (gateway.timeout); is a job running?");
        }
        if (cause instanceof OutOfMemoryError) {
            LOG.error("a request found no heap left: {}", cause.getMessage());
            return new HttpError(503, "the gateway has no heap left for the request (gateway.max-memory)");
        }
        LOG.error("a request failed", cause);
        return new HttpError(500, "the gateway failed; its log says why");
    }

    private static HttpError tooLarge(String found) {
        return new HttpError(413, "the body has " + found + "; see gateway.max-body-bytes");
    }

    /** Answers before the request is read; the rest of it is thrown away. */
    private void refuse(ChannelHandlerContext context, Exchange exchange, HttpError e) {
        exchange.refused = true;
        exchange.leave();
        // a head that can't be read has a length that can't be read
        exchange.keepAlive = exchange.keepAlive && HttpUtil.getContentLength(exchange.head, 0L) == 0;
        write(context, exchange, exchange.refusal(e));
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
        // a client that is slow to take its answer keeps its heap
        context.writeAndFlush(message).addListener(flushed -> exchange.release());
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
            boolean read = exchange.head.decoderResult().isSuccess();
            var unused = context.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(written -> {
                if (read) {
                    context.close();
                } else {
                    // closed by the client, or at the deadline: closing with bytes unread would take the answer back
                    ((SocketChannel) context.channel()).shutdownOutput();
                }
            });
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
                    exchange.refusal(new HttpError(
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
}
