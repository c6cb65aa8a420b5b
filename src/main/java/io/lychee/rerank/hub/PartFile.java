package io.lychee.rerank.hub;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Holds a file under download, and beside it how far each of its ranges is, so that another run continues. Both are
 * named after the hash of the content: a changed file starts anew. A range is written by one thread at a time.
 */
final class PartFile implements AutoCloseable {

    private final Path file;
    private final Path progressFile;
    private final FileChannel bytes;
    private final FileChannel progress;
    private final long size;
    private final long rangeBytes;
    private final AtomicLongArray received;

    /** Opens or creates the files beside {@code target}. */
    static PartFile open(Path target, RemoteFile remote, long rangeBytes) throws IOException {
        Files.createDirectories(target.getParent());
        return new PartFile(target, remote, rangeBytes);
    }

    private PartFile(Path target, RemoteFile remote, long rangeBytes) throws IOException {
        this.file = path(target, remote);
        this.progressFile = progressPath(target, remote);
        this.size = remote.size();
        this.rangeBytes = rangeBytes;
        this.received = new AtomicLongArray(Math.toIntExact((size + rangeBytes - 1) / rangeBytes));
        this.bytes = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        this.progress = FileChannel.open(
                progressFile, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        if (!restore()) {
            reset();
        }
    }

    // other names than the Python clients use: these files have holes
    private static Path path(Path target, RemoteFile remote) {
        return target.resolveSibling(remote.hash() + ".lychee.incomplete");
    }

    private static Path progressPath(Path target, RemoteFile remote) {
        return target.resolveSibling(remote.hash() + ".lychee-ranges.incomplete");
    }

    /** Returns the bytes that an earlier run has received. */
    static long received(Path target, RemoteFile remote, long rangeBytes) throws IOException {
        if (!Files.exists(path(target, remote)) || !Files.exists(progressPath(target, remote))) {
            return 0;
        }
        try (PartFile part = open(target, remote, rangeBytes)) {
            return part.received();
        }
    }

    private boolean restore() throws IOException {
        ByteBuffer saved = ByteBuffer.allocate(Long.BYTES * (1 + ranges()));
        if (progress.size() != saved.capacity()) {
            return false;
        }
        while (saved.hasRemaining() && progress.read(saved, saved.position()) >= 0) {
            // until full
        }
        saved.flip();
        boolean fits = saved.getLong() == rangeBytes;
        for (int range = 0; range < ranges() && fits; range++) {
            long done = saved.getLong();
            fits = done >= 0 && done <= length(range) && (done == 0 || start(range) + done <= bytes.size());
            received.set(range, done);
        }
        return fits;
    }

    /** Forgets what was received. */
    void reset() {
        try {
            bytes.truncate(0);
            ByteBuffer none = ByteBuffer.allocate(Long.BYTES * (1 + ranges()));
            progress.truncate(0);
            progress.write(none.putLong(0, rangeBytes), 0);
            for (int range = 0; range < ranges(); range++) {
                received.set(range, 0);
            }
        } catch (IOException e) {
            throw unwritable(e);
        }
    }

    int ranges() {
        return received.length();
    }

    long start(int range) {
        return range * rangeBytes;
    }

    long length(int range) {
        return Math.min(rangeBytes, size - start(range));
    }

    long received(int range) {
        return received.get(range);
    }

    /** Returns the bytes of all ranges so far. */
    long received() {
        long sum = 0;
        for (int range = 0; range < ranges(); range++) {
            sum += received.get(range);
        }
        return sum;
    }

    /** Appends to a range; the bytes are written before the progress. */
    void append(int range, ByteBuffer data) {
        long done = received.get(range);
        int length = data.remaining();
        try {
            while (data.hasRemaining()) {
                bytes.write(data, start(range) + done + length - data.remaining());
            }
            save(range, done + length);
        } catch (IOException e) {
            throw unwritable(e);
        }
    }

    /** Begins a range anew. */
    void restart(int range) {
        try {
            save(range, 0);
        } catch (IOException e) {
            throw unwritable(e);
        }
    }

    private void save(int range, long done) throws IOException {
        progress.write(ByteBuffer.allocate(Long.BYTES).putLong(0, done), Long.BYTES * (1L + range));
        received.set(range, done);
    }

    private ConfigException unwritable(IOException e) {
        return new ConfigException("the download can't be written to %s: %s".formatted(file, e.getMessage()), e);
    }

    /** Makes the verified file the target in one step. */
    static void complete(Path target, RemoteFile remote) throws IOException {
        Files.move(path(target, remote), target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        Files.deleteIfExists(progressPath(target, remote));
    }

    static boolean matches(Path target, RemoteFile remote) throws IOException {
        return remote.matches(path(target, remote));
    }

    /** Deletes what has another hash than listed. */
    static void discard(Path target, RemoteFile remote) throws IOException {
        Files.deleteIfExists(progressPath(target, remote));
        Files.deleteIfExists(path(target, remote));
    }

    @Override
    public void close() throws IOException {
        bytes.close();
        progress.close();
    }
}
