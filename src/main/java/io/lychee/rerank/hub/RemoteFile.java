package io.lychee.rerank.hub;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.commons.codec.digest.DigestUtils;

/**
 * Describes one file of a repository.
 *
 * @param hash SHA-256 of the bytes in 64 hexadecimal digits, or git's SHA-1 of the blob in 40
 */
record RemoteFile(String name, long size, String hash) {

    private static final Pattern HASH = Pattern.compile("[0-9a-f]{40}|[0-9a-f]{64}");
    private static final int BUFFER = 1 << 20;

    /** @throws ConfigException when a value can't be what it should, because names become paths */
    RemoteFile {
        requireSafe(name);
        if (size < 0 || !HASH.matcher(hash).matches()) {
            throw new ConfigException("the hub lists %s with size %d and hash \"%s\"; expected SHA-256 or git's SHA-1"
                    .formatted(name, size, printable(hash)));
        }
    }

    /**
     * Refuses names that lead out of a folder, or that a terminal would obey.
     *
     * @throws ConfigException for such a name
     */
    static void requireSafe(String name) {
        if (name.isEmpty()
                || name.startsWith("/")
                || name.contains("\\")
                || name.chars().anyMatch(Character::isISOControl)
                || List.of(name.split("/", -1)).contains("..")) {
            throw new ConfigException("the hub lists a file \"%s\"; expected a relative path without .. and \\"
                    .formatted(printable(name)));
        }
    }

    private static String printable(String text) {
        return text.chars()
                .limit(200)
                .mapToObj(c -> Character.isISOControl(c) ? "?" : String.valueOf((char) c))
                .collect(Collectors.joining());
    }

    /** Compares the size and the hash of a file with what the hub lists. */
    boolean matches(Path file) throws IOException {
        MessageDigest digest = hash.length() == 64 ? DigestUtils.getSha256Digest() : DigestUtils.getSha1Digest();
        if (hash.length() == 40) {
            digest.update(("blob " + size + "\0").getBytes(StandardCharsets.US_ASCII));
        }
        try (FileChannel channel = FileChannel.open(file)) {
            if (channel.size() != size) {
                return false;
            }
            ByteBuffer buffer = ByteBuffer.allocate(BUFFER);
            while (channel.read(buffer.clear()) >= 0) {
                digest.update(buffer.flip());
            }
        }
        return HexFormat.of().formatHex(digest.digest()).equals(hash);
    }
}
