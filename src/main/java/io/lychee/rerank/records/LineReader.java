package io.lychee.rerank.records;

import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.wire.WireSchema;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Reads the lines of a JSON-lines file; blank lines, even with a byte-order mark, only count. For one thread. */
public final class LineReader implements RecordReader {

    private final String name;
    private final InputStream stream;
    private final int maxBytes;
    private byte[] buffer = new byte[4096];
    private long next;

    /**
     * @param name the source of the records
     * @param maxBytes bytes kept of a longer line, for its dead letter
     */
    public LineReader(String name, InputStream stream, int maxBytes) {
        this.name = name;
        this.stream = new BufferedInputStream(stream, 1 << 16);
        this.maxBytes = maxBytes;
    }

    @Override
    public @Nullable SourceRecord read() throws IOException {
        for (int b = stream.read(); b >= 0; b = stream.read()) {
            long number = next++;
            int kept = 0;
            long length = 0;
            boolean blank = true;
            for (; b >= 0 && b != '\n'; b = stream.read()) {
                length++;
                blank &= b <= ' ';
                if (kept < maxBytes) {
                    if (kept == buffer.length) {
                        buffer = Arrays.copyOf(buffer, buffer.length * 2);
                    }
                    buffer[kept++] = (byte) b;
                }
            }
            byte[] text = Arrays.copyOf(buffer, blank ? 0 : kept);
            if (length > maxBytes ? !blank : !WireSchema.isBlank(text)) {
                SourceRecord line = SourceRecord.line(name, number, text, System.currentTimeMillis());
                line.size = length;
                line.valueSize = length;
                return line;
            }
        }
        return null;
    }

    @Override
    public void close() throws IOException {
        stream.close();
    }
}
