package io.lychee.rerank.image;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import org.apache.hc.core5.concurrent.FutureCallback;
import org.apache.hc.core5.http.EntityDetails;
import org.apache.hc.core5.http.Header;
import org.apache.hc.core5.http.HttpResponse;
import org.apache.hc.core5.http.nio.AsyncResponseConsumer;
import org.apache.hc.core5.http.nio.CapacityChannel;
import org.apache.hc.core5.http.protocol.HttpContext;
import org.jspecify.annotations.Nullable;

/** What a server said. Only the body of a 200 is kept. */
@SuppressWarnings("ArrayRecordComponent") // never compared
record HttpImageResponse(int status, @Nullable String location, byte[] body) {

    /** More bytes than allowed. */
    static final class TooLargeException extends IOException {

        private static final long serialVersionUID = 1;

        TooLargeException(String found, int maxBytes) {
            super("has %s bytes; image.max-bytes is %d".formatted(found, maxBytes));
        }
    }

    /** Collects an answer, and stops at the limit while it still streams in. One I/O thread. */
    static final class Consumer implements AsyncResponseConsumer<HttpImageResponse> {

        private final int maxBytes;
        private final ByteArrayOutputStream body = new ByteArrayOutputStream();
        private int status;
        private @Nullable String location;
        private @Nullable FutureCallback<HttpImageResponse> callback;

        Consumer(int maxBytes) {
            this.maxBytes = maxBytes;
        }

        @Override
        public void consumeResponse(
                HttpResponse response,
                @Nullable EntityDetails entity,
                HttpContext context,
                FutureCallback<HttpImageResponse> resultCallback)
                throws IOException {
            status = response.getCode();
            Header header = response.getFirstHeader("Location");
            location = header == null || header.getValue() == null ? null : ascii(header.getValue());
            callback = resultCallback;
            if (entity == null) {
                resultCallback.completed(answer());
            } else if (status == 200 && entity.getContentLength() > maxBytes) {
                throw new TooLargeException(String.valueOf(entity.getContentLength()), maxBytes);
            }
        }

        /** Percent-encodes the bytes that the client has read as Latin-1, so that UTF-8 stays what it is. */
        private static String ascii(String latin) {
            StringBuilder out = new StringBuilder(latin.length());
            latin.chars().forEach(c -> out.append(c < 0x80 ? String.valueOf((char) c) : String.format("%%%02X", c)));
            return out.toString();
        }

        @Override
        public void informationResponse(HttpResponse response, HttpContext context) {}

        @Override
        public void updateCapacity(CapacityChannel channel) throws IOException {
            channel.update(Integer.MAX_VALUE);
        }

        @Override
        public void consume(ByteBuffer source) throws IOException {
            if (status != 200) {
                source.position(source.limit());
                return;
            }
            if (body.size() + source.remaining() > maxBytes) {
                throw new TooLargeException("more than " + maxBytes, maxBytes);
            }
            byte[] bytes = new byte[source.remaining()];
            source.get(bytes);
            body.write(bytes, 0, bytes.length);
        }

        @Override
        public void streamEnd(@Nullable List<? extends Header> trailers) {
            if (callback != null) {
                callback.completed(answer());
            }
        }

        @Override
        public void failed(Exception cause) {
            // the exchange is told through its own callback
        }

        @Override
        public void releaseResources() {}

        private HttpImageResponse answer() {
            return new HttpImageResponse(status, location, body.toByteArray());
        }
    }
}
