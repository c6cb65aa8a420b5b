package io.lychee.rerank.gateway;

import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.handler.codec.http.DefaultHttpContent;
import java.nio.charset.StandardCharsets;

/** A client that listens on its connection. Safe for any thread. */
@SuppressWarnings("FutureReturnValueIgnored") // a write that fails closes the connection
record ServerSentEvents(Channel channel) implements Route.EventStream {

    @Override
    public void send(String event, String json) {
        byte[] line = ("event: " + event + "\ndata: " + json + "\n\n").getBytes(StandardCharsets.UTF_8);
        // after the head, whoever calls
        channel.eventLoop().execute(() -> {
            if (channel.isWritable()) {
                channel.writeAndFlush(new DefaultHttpContent(Unpooled.wrappedBuffer(line)), channel.voidPromise());
            }
        });
    }

    @Override
    public void onClose(Runnable action) {
        var unused = channel.closeFuture().addListener(closed -> action.run());
    }
}
