package io.lychee.rerank.gateway;

import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpUtil;
import java.io.ByteArrayOutputStream;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** One request and its answer on a connection. For the connection's event loop only. */
final class Exchange {
    final HttpRequest head;
    final long startedAt = System.nanoTime();
    ByteArrayOutputStream body = new ByteArrayOutputStream(0);
    Api api = Api.PLAIN;
    Admission.@Nullable Place place;

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

    /** Lets another request in; the heap stays reserved until {@link #release}. */
    void leave() {
        if (place != null) {
            place.leave();
        }
        forgetBody();
    }

    /** Gives the heap back, as far as no worker holds it; a second call does nothing. */
    void release() {
        leave();
        if (place != null) {
            place.release();
            place = null;
        }
    }

    /** Replaces the buffer; a reset would keep its memory until the answer is there. */
    void forgetBody() {
        body = new ByteArrayOutputStream(0);
    }

    /** Tells why in the form of the API, and when to come again. */
    Response refusal(HttpError e) {
        Response response = Response.json(e.status(), api.error(e, clientId));
        if (e.status() == 405) {
            boolean post = api != Api.PLAIN;
            response = response.with("Allow", post ? "POST" : "GET, HEAD");
        }
        return e.status() == 429 || e.status() == 503 ? response.with("Retry-After", "1") : response;
    }
}
