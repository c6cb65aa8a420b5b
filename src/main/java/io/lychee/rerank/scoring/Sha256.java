package io.lychee.rerank.scoring;

import java.nio.ByteBuffer;
import org.apache.commons.codec.digest.DigestUtils;

/** A digest, as a key of caches that must never take one content for another. */
public record Sha256(long first, long second, long third, long fourth) {

    /** Digests the remaining bytes; the buffer's position stays. */
    public static Sha256 of(ByteBuffer bytes) {
        ByteBuffer result = ByteBuffer.wrap(DigestUtils.digest(DigestUtils.getSha256Digest(), bytes.duplicate()));
        return new Sha256(result.getLong(), result.getLong(), result.getLong(), result.getLong());
    }

    void writeTo(ByteBuffer buffer) {
        buffer.putLong(first).putLong(second).putLong(third).putLong(fourth);
    }
}
