package io.lychee.rerank.job;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.records.RecordReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.connector.file.src.FileSourceSplit;
import org.apache.flink.connector.file.src.assigners.SimpleSplitAssigner;
import org.apache.flink.connector.file.src.reader.BulkFormat;
import org.apache.flink.connector.file.src.util.CheckpointedPosition;
import org.apache.flink.connector.file.src.util.IteratorResultIterator;
import org.jspecify.annotations.Nullable;

/**
 * Adapts {@link RecordReader} to Flink's file source: a file is a split, read by one reader from its beginning. A
 * checkpoint holds the number of records read; a restored reader skips them.
 */
final class ListFiles implements BulkFormat<SourceRecord, FileSourceSplit> {

    private static final long serialVersionUID = 1;

    /** Size of a batch; two may wait. */
    private static final int BATCH_BYTES = 1 << 20;

    /** Bits of a position for the line; the file's index is above. */
    private static final int LINE_BITS = 40;

    private final RerankConfig config;

    private ListFiles(RerankConfig config) {
        this.config = config;
    }

    /** Builds a source of the records of {@code files} in this order, for a single reader. */
    static FileSource<SourceRecord> source(List<Path> files, RerankConfig config) {
        return FileSource.forBulkFileFormat(
                        new ListFiles(config),
                        files.stream()
                                .map(file -> new org.apache.flink.core.fs.Path(file.toUri()))
                                .toArray(org.apache.flink.core.fs.Path[]::new))
                // Flink's own skips names that begin with . or _; the id becomes part of each position
                .setFileEnumerator(() -> (paths, desired) -> IntStream.range(0, paths.length)
                        // the assigner begins with the last one
                        .map(i -> paths.length - 1 - i)
                        .mapToObj(i -> new FileSourceSplit(String.valueOf(i), paths[i], 0, 0, 0, 0))
                        .toList())
                .setSplitAssigner(SimpleSplitAssigner::new)
                .build();
    }

    @Override
    public Reader createReader(Configuration unused, FileSourceSplit split) throws IOException {
        return restoreReader(unused, split);
    }

    @Override
    public Reader restoreReader(Configuration unused, FileSourceSplit split) throws IOException {
        Reader reader = new Reader(
                RecordReader.open(Path.of(split.path().toUri()), config), Long.parseLong(split.splitId()) << LINE_BITS);
        reader.skip(split.getReaderPosition()
                .map(CheckpointedPosition::getRecordsAfterOffset)
                .orElse(0L));
        return reader;
    }

    @Override
    public boolean isSplittable() {
        return false;
    }

    @Override
    public TypeInformation<SourceRecord> getProducedType() {
        return SourceRecord.TYPE;
    }

    private static final class Reader implements BulkFormat.Reader<SourceRecord> {

        private final RecordReader records;
        private final long firstPosition;
        private long read;

        Reader(RecordReader records, long firstPosition) {
            this.records = records;
            this.firstPosition = firstPosition;
        }

        void skip(long count) throws IOException {
            while (read < count && records.read() != null) {
                read++;
            }
        }

        @Override
        public @Nullable RecordIterator<SourceRecord> readBatch() throws IOException {
            List<SourceRecord> batch = new ArrayList<>();
            for (long bytes = 0; bytes < BATCH_BYTES; ) {
                SourceRecord record = records.read();
                if (record == null) {
                    break;
                }
                record.position += firstPosition;
                batch.add(record);
                // an empty record takes room too
                bytes += record.size + 100;
            }
            if (batch.isEmpty()) {
                return null;
            }
            long before = read;
            read += batch.size();
            return new IteratorResultIterator<>(batch.iterator(), CheckpointedPosition.NO_OFFSET, before);
        }

        @Override
        public void close() throws IOException {
            records.close();
        }
    }
}
