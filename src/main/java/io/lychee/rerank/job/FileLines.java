package io.lychee.rerank.job;

import io.lychee.rerank.kafka.SourceRecord;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.reader.SimpleStreamFormat;
import org.apache.flink.connector.file.src.reader.StreamFormat;
import org.apache.flink.core.fs.FSDataInputStream;
import org.jspecify.annotations.Nullable;

/** Lines of a JSON-lines file as records: the offset is the 0-based line number, blank lines are passed over. */
final class FileLines extends SimpleStreamFormat<SourceRecord> {

    private static final long serialVersionUID = 1;

    private final String name;
    private final int maxBytes;

    /**
     * @param name what records call their source
     * @param maxBytes of a longer line only the beginning is kept, for its dead letter
     */
    FileLines(String name, int maxBytes) {
        this.name = name;
        this.maxBytes = maxBytes;
    }

    @Override
    public StreamFormat.Reader<SourceRecord> createReader(Configuration config, FSDataInputStream stream) {
        return new Reader(new BufferedInputStream(stream, 1 << 16));
    }

    @Override
    public TypeInformation<SourceRecord> getProducedType() {
        return SourceRecord.TYPE;
    }

    private final class Reader implements StreamFormat.Reader<SourceRecord> {

        private final InputStream stream;
        private byte[] buffer = new byte[4096];
        private long line;

        Reader(InputStream stream) {
            this.stream = stream;
        }

        @Override
        public @Nullable SourceRecord read() throws IOException {
            for (int b = stream.read(); b >= 0; b = stream.read(), line++) {
                int kept = 0;
                long length = 0;
                boolean blank = true;
                for (; b >= 0 && b != '\n'; b = stream.read(), length++) {
                    if (kept < maxBytes) {
                        if (kept == buffer.length) {
                            buffer = Arrays.copyOf(buffer, buffer.length * 2);
                        }
                        buffer[kept++] = (byte) b;
                    }
                    blank &= b <= ' ';
                }
                if (!blank) {
                    return record(kept, length);
                }
            }
            return null;
        }

        private SourceRecord record(int kept, long length) {
            SourceRecord record =
                    SourceRecord.line(name, line++, Arrays.copyOf(buffer, kept), System.currentTimeMillis());
            record.size = length;
            record.valueSize = length;
            return record;
        }

        @Override
        public void close() throws IOException {
            stream.close();
        }
    }
}
