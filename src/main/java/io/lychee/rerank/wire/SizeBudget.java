package io.lychee.rerank.wire;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankOptions.OutputFormat;
import org.apache.avro.generic.GenericRecord;

/** What all records that we write have in common: form and size. */
public final class SizeBudget {

    /** Header of an answer with the key that its list came with, where that was not the request id. */
    public static final String KEY_HEADER = "lychee.key";

    /** What Kafka adds to a record that is alone in its batch, at most; and LZ4 to data it can't compress. */
    private static final int OVERHEAD = 128;

    private static final int LZ4_SHARE = 8192;

    /** Room for an answer or dead letter that has lost all that it can lose. */
    private static final int LEAST_RECORD_BYTES = 4096;

    private SizeBudget() {}

    public static byte[] encode(WireSchema type, GenericRecord record, OutputFormat format) {
        return format == OutputFormat.AVRO ? type.toAvro(record) : PlainJsonWriter.write(record);
    }

    /**
     * Bytes that key, headers and value may have together.
     *
     * @throws ConfigException when even the smallest answer might not fit
     */
    public static int budget(int maxRecordBytes) {
        if (maxRecordBytes < LEAST_RECORD_BYTES) {
            throw new ConfigException(
                    "kafka.max-record-bytes is " + maxRecordBytes + " bytes; expected at least " + LEAST_RECORD_BYTES);
        }
        return maxRecordBytes - OVERHEAD - maxRecordBytes / LZ4_SHARE;
    }
}
