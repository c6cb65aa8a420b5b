package io.lychee.rerank.kafka;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions;
import java.io.BufferedInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;

/** The records of one file, in order. For one thread. */
public interface RecordReader extends AutoCloseable {

    /**
     * The next record, or null at the end.
     *
     * @throws IOException when the file can't be read on: it is damaged, or beyond a limit
     */
    @Nullable
    SourceRecord read() throws IOException;

    @Override
    void close() throws IOException;

    /**
     * Opens a file; its first bytes tell whether it is an Avro object container or JSON lines, and whether gzip is
     * around it. At most one record, or one block of a container, is in memory at a time.
     */
    static RecordReader open(Path file, RerankConfig config) throws IOException {
        String name = String.valueOf(file.getFileName());
        int record = config.kafka().maxRecordBytes();
        InputStream stream = new BufferedInputStream(Files.newInputStream(file), 1 << 16);
        try {
            if (startsWith(stream, 0x1F, 0x8B)) {
                stream = new BufferedInputStream(
                        new Inflated(stream, config.inputs().maxInflatedBytes()), 1 << 16);
            }
            return startsWith(stream, 'O', 'b', 'j', 1)
                    ? new ContainerReader(name, stream, config.inputs().maxBlockBytes(), record)
                    : new LineReader(name, stream, record);
        } catch (IOException e) {
            stream.close();
            throw e;
        }
    }

    private static boolean startsWith(InputStream stream, int... magic) throws IOException {
        stream.mark(magic.length);
        byte[] first = stream.readNBytes(magic.length);
        stream.reset();
        byte[] expected = new byte[magic.length];
        for (int i = 0; i < magic.length; i++) {
            expected[i] = (byte) magic[i];
        }
        return Arrays.equals(first, expected);
    }

    /** Gzip that must not become arbitrarily large. */
    final class Inflated extends FilterInputStream {

        private final long max;
        private long read;

        private Inflated(InputStream stream, long max) throws IOException {
            super(new GZIPInputStream(stream, 1 << 16));
            this.max = max;
        }

        @Override
        public int read(byte[] buffer, int from, int length) throws IOException {
            int n = super.read(buffer, from, length);
            read += Math.max(n, 0);
            if (read > max) {
                throw new IOException(
                        "inflates to more than " + max + " bytes (" + RerankOptions.MAX_INFLATED_BYTES.key() + ")");
            }
            return n;
        }
    }
}
