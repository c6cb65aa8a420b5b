package io.lychee.rerank.image;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** Reads Latin-1 text from array-backed buffers. */
final class Bytes {

    static final ByteBuffer NONE = ByteBuffer.allocate(0);

    private Bytes() {}

    /** @param latin1 characters up to 255, one a byte */
    static boolean starts(ByteBuffer bytes, int at, String latin1) {
        return bytes.limit() - at >= latin1.length()
                && bytes.slice(at, latin1.length()).equals(ByteBuffer.wrap(of(latin1)));
    }

    static byte[] of(String latin1) {
        return latin1.getBytes(StandardCharsets.ISO_8859_1);
    }

    static String text(ByteBuffer bytes) {
        return new String(
                bytes.array(), bytes.arrayOffset() + bytes.position(), bytes.remaining(), StandardCharsets.ISO_8859_1);
    }
}
