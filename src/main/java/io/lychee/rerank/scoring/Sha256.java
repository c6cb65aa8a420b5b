package io.lychee.rerank.scoring;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** A digest, as a key of caches that must never take one content for another. */
public record Sha256(long first, long second, long third, long fourth) {

    /** Digests the remaining bytes; the buffer's position stays. */
    public static Sha256 of(ByteBuffer bytes) {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every JDK has it
        }
        digest.update(bytes.duplicate());
        ByteBuffer result = ByteBuffer.wrap(digest.digest());
        return new Sha256(result.getLong(), result.getLong(), result.getLong(), result.getLong());
    }

    void writeTo(ByteBuffer buffer) {
        buffer.putLong(first).putLong(second).putLong(third).putLong(fourth);
    }
}
