package io.lychee.rerank.checkpoint;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/**
 * Tells checkpoints apart without reading 16 GB: SHA-256 over configuration, tokenizer and preprocessor, and of each
 * weight file its size, header, first and last MiB. Sixteen hexadecimal digits of it.
 */
public final class ModelFingerprint {

    private static final int MIB = 1 << 20;

    private ModelFingerprint() {}

    public static String of(CheckpointFiles checkpoint, List<Path> weights) {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
        List<Path> whole = new ArrayList<>();
        for (String name : List.of("config.json", "tokenizer.json", "preprocessor_config.json")) {
            whole.add(checkpoint.file(name));
        }
        for (Path file : whole) {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
                update(digest, channel, 0, channel.size());
            } catch (IOException e) {
                throw unreadable(file, e);
            }
        }
        for (Path file : weights) {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
                long size = channel.size();
                long header =
                        8 + read(channel, 0, 8).order(ByteOrder.LITTLE_ENDIAN).getLong();
                update(digest, channel, 0, Math.min(size, Math.max(header, MIB)));
                update(digest, channel, Math.max(0, size - MIB), size);
            } catch (IOException e) {
                throw unreadable(file, e);
            }
        }
        return HexFormat.of().formatHex(digest.digest(), 0, 8);
    }

    /** Of these bytes, and of how large their file is. */
    private static void update(MessageDigest digest, FileChannel channel, long begin, long end) throws IOException {
        digest.update(ByteBuffer.allocate(8).putLong(channel.size()).flip());
        for (long at = begin; at < end; at += MIB) {
            digest.update(read(channel, at, (int) Math.min(MIB, end - at)));
        }
    }

    private static ByteBuffer read(FileChannel channel, long position, int bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes);
        while (buffer.hasRemaining() && channel.read(buffer, position + buffer.position()) >= 0) {
            // until full or at the end
        }
        return buffer.flip();
    }

    private static ConfigException unreadable(Path file, IOException e) {
        return new ConfigException("%s (model.checkpoint) can't be read: %s".formatted(file, e), e);
    }
}
