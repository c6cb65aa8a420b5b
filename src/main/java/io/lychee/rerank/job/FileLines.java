package io.lychee.rerank.job;

import io.lychee.rerank.kafka.LineReader;
import io.lychee.rerank.kafka.SourceRecord;
import java.io.IOException;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.reader.SimpleStreamFormat;
import org.apache.flink.connector.file.src.reader.StreamFormat;
import org.apache.flink.core.fs.FSDataInputStream;
import org.jspecify.annotations.Nullable;

/** Flink's way to read a file with {@link LineReader}. */
final class FileLines extends SimpleStreamFormat<SourceRecord> {

    private static final long serialVersionUID = 1;

    private final String name;
    private final int maxBytes;

    /** @param maxBytes see {@link LineReader} */
    FileLines(String name, int maxBytes) {
        this.name = name;
        this.maxBytes = maxBytes;
    }

    @Override
    public StreamFormat.Reader<SourceRecord> createReader(Configuration config, FSDataInputStream stream) {
        return new Reader(new LineReader(name, stream, maxBytes));
    }

    @Override
    public TypeInformation<SourceRecord> getProducedType() {
        return SourceRecord.TYPE;
    }

    private record Reader(LineReader lines) implements StreamFormat.Reader<SourceRecord> {

        @Override
        public @Nullable SourceRecord read() throws IOException {
            return lines.read();
        }

        @Override
        public void close() throws IOException {
            lines.close();
        }
    }
}
