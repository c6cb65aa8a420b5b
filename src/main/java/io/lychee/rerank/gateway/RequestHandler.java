package io.lychee.rerank.gateway;

import io.lychee.rerank.config.GatewayConfig;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.vertx.core.Context;
import io.vertx.core.Handler;
import io.vertx.core.MultiMap;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Handles HTTP requests on the event loop. Refuses by the head alone where that is enough, before a body takes heap;
 * the rest of a refused body is read and discarded, so that its client gets to read the answer.
 */
record RequestHandler(
        Router router,
        HostCheck hosts,
        ApiKeys keys,
        Gateway gateway,
        Readiness readiness,
        Dispatcher dispatcher,
        Connections connections)
        implements Handler<HttpServerRequest> {

    /** Admits nothing from elsewhere and nothing inline; pictures also from what the user dropped. */
    private static final String CSP = "default-src 'self'; img-src 'self' data: blob:; object-src 'none';"
            + " base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static final Pattern CLIENT_ID = Pattern.compile("[\\x21-\\x7E]{1,200}");
    private static final int MAX_QUEUED_EVENT_BYTES = 1 << 20;

    /** Takes requests whose head can't be parsed, too. */
    @Override
    public void handle(HttpServerRequest request) {
        new Exchange(request).begin();
    }

    /** Reads one request and writes its one answer. */
    private final class Exchange implements Route.EventStream {

        private final HttpServerRequest request;
        private final HttpServerResponse response;
        private final MultiMap headers;
        private final String path;
        private final @Nullable String clientId;
        private final Context context = Vertx.currentContext();
        private final GatewayConfig limits = gateway.config().gateway();
        private final long startedAt = System.nanoTime();
        private Buffer body = Buffer.buffer();
        private Admission.@Nullable Place place;
        private @Nullable CompletableFuture<Response> answer;
        private Runnable onClose = () -> {};
        private boolean read;
        private boolean written;
        private boolean closing;

        Exchange(HttpServerRequest request) {
            this.request = request;
            this.response = request.response();
            this.headers = request.headers();
            int query = request.uri().indexOf('?');
            this.path = query < 0 ? request.uri() : request.uri().substring(0, query);
            String id = headers.get("X-Request-Id");
            this.clientId = id != null && CLIENT_ID.matcher(id).matches() ? id : null;
        }

        void begin() {
            response.closeHandler(closed -> hungUp());
            request.handler(chunk -> guard(() -> take(chunk)));
            request.endHandler(end -> guard(this::end));
            connections.startTimer(request.connection(), this::late);
            guard(() -> {
                admit();
                if (headers.contains(HttpHeaders.EXPECT, HttpHeaders.CONTINUE, true)) {
                    response.writeContinue();
                }
            });
        }

        private void guard(Runnable step) {
            try {
                step.run();
            } catch (RuntimeException | Error e) {
                refuse(HttpError.of(e, limits.timeout()));
            }
        }

        /** Checks everything that the head alone tells. */
        private void admit() {
            requireChunked();
            requireParsed();
            hosts.check(request);
            if (!router.isOpen(path)) {
                keys.require(headers);
            }
            if (!(router.require(request.method(), path) instanceof Api)) {
                return;
            }
            requireJson();
            readiness.require();
            long length = length();
            if (length > limits.maxBodyBytes()) {
                throw tooLarge(length + " bytes");
            }
            place = gateway.admission().enter();
            place.reserve(length * Admission.BODY_FACTOR);
            body = Buffer.buffer((int) length);
        }

        private void requireParsed() {
            if (request.decoderResult().isFailure()) {
                closing = true;
                Throwable cause = request.decoderResult().cause();
                int status = cause instanceof TooLongHttpLineException
                        ? 414
                        : cause instanceof TooLongHttpHeaderException ? 431 : 400;
                throw new HttpError(status, "the request's head can't be read");
            }
        }

        /** Refuses other transfer codings with 501, because the body's end would be unknown. */
        private void requireChunked() {
            String codings = String.join(", ", headers.getAll(HttpHeaders.TRANSFER_ENCODING));
            if (!codings.isEmpty() && !codings.trim().equalsIgnoreCase("chunked")) {
                closing = true;
                throw new HttpError(501, "Transfer-Encoding is " + codings + "; expected chunked or none");
            }
        }

        /** Takes a missing type for JSON, as Weaviate sends none; the origin of a page's request is checked before. */
        private void requireJson() {
            String type = headers.get(HttpHeaders.CONTENT_TYPE);
            String mime =
                    type == null ? Response.JSON : type.replaceFirst(";.*", "").trim();
            if (!Response.JSON.equalsIgnoreCase(mime)) {
                throw new HttpError(415, "Content-Type is " + mime + "; expected " + Response.JSON);
            }
            String encoding = headers.get(HttpHeaders.CONTENT_ENCODING);
            if (encoding != null && !encoding.equalsIgnoreCase("identity")) {
                throw new HttpError(415, "Content-Encoding is " + encoding + "; expected none");
            }
        }

        private long length() {
            String length = headers.get(HttpHeaders.CONTENT_LENGTH);
            return length == null ? 0 : Long.parseLong(length);
        }

        private void take(Buffer chunk) {
            if (written) {
                return;
            }
            int most = place == null ? 0 : limits.maxBodyBytes();
            if (body.length() + chunk.length() > most) {
                throw most == 0
                        ? HttpError.badRequest("a body where none is expected")
                        : tooLarge("more than " + most + " bytes");
            }
            if (place != null && headers.contains(HttpHeaders.TRANSFER_ENCODING)) {
                place.reserve((long) chunk.length() * Admission.BODY_FACTOR);
            }
            body.appendBuffer(chunk);
        }

        private void end() {
            read = true;
            if (written) {
                closeIfDone();
                return;
            }
            connections.stopTimer(request.connection());
            Route route = router.require(request.method(), path);
            if (route instanceof Route.Get get) {
                write(get.get(path));
            } else if (route instanceof Route.Events && request.method().equals(HttpMethod.HEAD)) {
                write(Response.of("text/event-stream", new byte[0]));
            } else if (route instanceof Route.Events events) {
                stream(events);
            } else if (route instanceof Route.Lookup lookup) {
                await(dispatcher.find(lookup, path));
            } else if (route instanceof Api api && place != null) {
                byte[] bytes = body.getBytes();
                body = Buffer.buffer();
                await(dispatcher.dispatch(api, bytes, clientId, place));
            }
        }

        private void await(CompletableFuture<Response> result) {
            answer = result;
            var unused = result.whenComplete((done, error) -> context.runOnContext(now -> {
                if (error == null) {
                    write(done);
                } else if (!result.isCancelled()) {
                    refuse(HttpError.of(error, limits.timeout()));
                }
            }));
        }

        private void late() {
            closing = true;
            read = true;
            refuse(new HttpError(
                    408,
                    "the request was not here within " + limits.readTimeout().toMillis()
                            + " ms (gateway.read-timeout)"));
        }

        private void refuse(HttpError e) {
            Route route = router.find(path);
            write(Response.json(e.status(), route instanceof Api api ? api.error(e, clientId) : Api.plainError(e)));
        }

        private void write(Response answered) {
            if (written || response.closed()) {
                return;
            }
            written = true;
            leave();
            if (!closing && !read) {
                closing = length() > 0 || headers.contains(HttpHeaders.TRANSFER_ENCODING);
            }
            if (closing) {
                response.putHeader(HttpHeaders.CONNECTION, HttpHeaders.CLOSE);
            }
            head(answered.status(), answered.contentType())
                    .putHeader("Server-Timing", answered.serverTiming(System.nanoTime() - startedAt))
                    .putHeader(HttpHeaders.CONTENT_LENGTH, Integer.toString(answered.body().length));
            // bounds how long the client takes to read the answer, then how long it stays idle
            connections.startTimer(request.connection(), request.connection()::close);
            Buffer bytes = Buffer.buffer(answered.body());
            // closing behind a head that can't be read, with bytes unread, would take the answer back
            var sent = request.decoderResult().isFailure() ? response.write(bytes) : response.end(bytes);
            sent.onComplete(flushed -> {
                release();
                closeIfDone();
            });
        }

        private void closeIfDone() {
            if (read && closing) {
                request.connection().close();
            }
        }

        private HttpServerResponse head(int status, String contentType) {
            response.setStatusCode(status)
                    .putHeader(HttpHeaders.CONTENT_TYPE, contentType)
                    .putHeader("Content-Security-Policy", CSP)
                    .putHeader("X-Content-Type-Options", "nosniff")
                    .putHeader("Referrer-Policy", "no-referrer")
                    .putHeader(HttpHeaders.CACHE_CONTROL, "no-store");
            if (clientId != null) {
                response.putHeader("X-Request-Id", clientId);
            }
            if (status == 405) {
                response.putHeader(HttpHeaders.ALLOW, router.find(path) instanceof Api ? "POST" : "GET, HEAD");
            }
            if (status == 401) {
                response.putHeader("WWW-Authenticate", "Bearer");
            }
            if (status == 429 || status == 503) {
                response.putHeader("Retry-After", "1");
            }
            return response;
        }

        private void stream(Route.Events events) {
            events.subscribe(this);
            written = true;
            head(200, "text/event-stream").putHeader("Server-Timing", "gateway;dur=0");
            response.setChunked(true)
                    .setWriteQueueMaxSize(MAX_QUEUED_EVENT_BYTES)
                    .write("");
        }

        @Override
        public void send(String event, String json) {
            context.runOnContext(now -> {
                if (!response.closed() && !response.writeQueueFull()) {
                    connections.startTimer(request.connection(), request.connection()::close);
                    response.write("event: " + event + "\ndata: " + json + "\n\n")
                            .onComplete(sent -> connections.stopTimer(request.connection()));
                }
            });
        }

        @Override
        public void onClose(Runnable action) {
            onClose = action;
        }

        private void hungUp() {
            onClose.run();
            if (answer != null) {
                answer.cancel(true);
            }
            if (!written) {
                release();
            }
        }

        /** Lets another request in; the heap stays reserved until {@link #release}. */
        private void leave() {
            if (place != null) {
                place.leave();
            }
            body = Buffer.buffer();
        }

        /** Gives the heap back, as far as no worker holds it; a second call does nothing. */
        private void release() {
            leave();
            if (place != null) {
                place.release();
                place = null;
            }
        }
    }

    private static HttpError tooLarge(String found) {
        return new HttpError(413, "the body has " + found + "; see gateway.max-body-bytes");
    }
}
