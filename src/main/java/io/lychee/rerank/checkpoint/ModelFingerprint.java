package io.lychee.rerank.checkpoint;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import org.apache.commons.codec.digest.DigestUtils;

/**
 * Identifies a checkpoint by 16 hexadecimal digits, without reading all its weights: SHA-256 over configuration,
 * tokenizer and preprocessor, and over each weight file's size, header, first and last MiB.
 */
public final class ModelFingerprint {

    private static final int MIB = 1 << 20;

    private ModelFingerprint() {}

    /** @throws ConfigException when a file is missing or can't be read */
    public static String of(CheckpointFiles checkpoint, List<Path> weights) {
        MessageDigest digest = DigestUtils.getSha256Digest();
        checkpoint.settings().forEach(file -> update(digest, file, false));
        weights.forEach(file -> update(digest, file, true));
        return HexFormat.of().formatHex(digest.digest(), 0, 8);
    }

    private static void update(MessageDigest digest, Path file, boolean weights) {
        try (FileChannel channel = FileChannel.open(file)) {
            long size = channel.size();
            if (weights) {
                ByteBuffer length = Safetensors.read(channel, 0, Long.BYTES);
                long header = Long.BYTES + length.order(ByteOrder.LITTLE_ENDIAN).getLong();
                update(digest, channel, 0, Math.min(size, Math.max(header, MIB)));
                update(digest, channel, Math.max(0, size - MIB), size);
            } else {
                update(digest, channel, 0, size);
            }
        } catch (IOException e) {
            throw new ConfigException("%s (model.checkpoint) can't be read: %s".formatted(file, e), e);
        }
    }

    /** Adds the file's size and these of its bytes. */
    private static void update(MessageDigest digest, FileChannel channel, long begin, long end) throws IOException {
        digest.update(ByteBuffer.allocate(Long.BYTES).putLong(channel.size()).flip());
        for (long at = begin; at < end; at += MIB) {
            digest.update(Safetensors.read(channel, at, (int) Math.min(MIB, end - at)));
        }
    }
}
