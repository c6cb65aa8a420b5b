package io.lychee.rerank.wire;

import io.lychee.rerank.domain.Unicode;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/** Checks and shortens text at the border. */
public final class Utf8 {

    private Utf8() {}

    static boolean isUtf8(byte[] data, int from, int length) {
        var decoder = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
        ByteBuffer in = ByteBuffer.wrap(data, from, length);
        CharBuffer out = CharBuffer.allocate(Math.max(2, Math.min(length, 4096)));
        CoderResult result;
        do {
            out.clear();
            result = decoder.decode(in, out, true);
        } while (result.isOverflow());
        return !result.isError();
    }

    /** The beginning of {@code text}, at most {@code length} characters. */
    public static String cut(String text, int length) {
        return text.length() <= length ? text : Unicode.wellFormed(text.substring(0, length - 1)) + "…";
    }
}
