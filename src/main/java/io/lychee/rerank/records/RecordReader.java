package io.lychee.rerank.records;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.kafka.SourceRecord;
import java.io.BufferedInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;

/** Reads the records of one file, in order. For one thread. */
public interface RecordReader extends AutoCloseable {

    /**
     * Returns the next record, or null at the end.
     *
     * @throws IOException when the rest of the file can't be read: it is damaged, or beyond a limit
     */
    @Nullable
    SourceRecord read() throws IOException;

    @Override
    void close() throws IOException;

    /**
     * Opens an Avro object container or JSON lines, either in gzip too; its first bytes decide. At most one record, or
     * one block of a container, is in memory at a time.
     */
    static RecordReader open(Path file, RerankConfig config) throws IOException {
        String name = String.valueOf(file.getFileName());
        int record = config.kafka().maxRecordBytes();
        InputStream stream = new BufferedInputStream(Files.newInputStream(file), 1 << 16);
        try {
            if (startsWith(stream, "\u001F\u008B")) {
                stream = new BufferedInputStream(
                        new Inflated(stream, config.inputs().maxInflatedBytes()), 1 << 16);
            }
            return startsWith(stream, "Obj\u0001")
                    ? new ContainerReader(name, stream, config.inputs().maxBlockBytes(), record)
                    : new LineReader(name, stream, record);
        } catch (IOException e) {
            stream.close();
            throw e;
        }
    }

    private static boolean startsWith(InputStream stream, String magic) throws IOException {
        stream.mark(magic.length());
        byte[] first = stream.readNBytes(magic.length());
        stream.reset();
        return magic.equals(new String(first, StandardCharsets.ISO_8859_1));
    }

    /** Inflates gzip to at most {@code files.max-inflated-bytes}. */
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
                throw new IOException("inflates to more than " + max + " bytes (files.max-inflated-bytes)");
            }
            return n;
        }
    }
}
