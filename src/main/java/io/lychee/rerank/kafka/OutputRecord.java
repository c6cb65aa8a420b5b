package io.lychee.rerank.kafka;

import io.lychee.rerank.config.ConfigException;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.jspecify.annotations.Nullable;

/** Holds an encoded answer or dead letter. A POJO, because Flink serializes it. */
public final class OutputRecord {

    public static final TypeInformation<OutputRecord> TYPE = TypeInformation.of(OutputRecord.class);

    /** Largest overhead in bytes: Kafka's for a record alone in its batch, and LZ4's for incompressible data. */
    private static final int OVERHEAD = 128;

    private static final int LZ4_SHARE = 8192;

    /** Bytes of an answer or dead letter that has lost all that it can lose, at most. */
    private static final int LEAST_RECORD_BYTES = 4096;

    /** Sends the record to the dead letters instead of the results. */
    public boolean deadLetter;

    /** The request id; a dead letter has its record's own key, or null. */
    public byte @Nullable [] key;

    public byte[] value = {};

    public String[] headerNames = {};

    /** One for each name; an element may be null. */
    public byte[][] headerValues = {};

    /** The position of the record that this answers; files are written in this order. */
    public long position;

    /** Candidates of the answer; 0 in a dead letter. */
    public int candidates;

    /** Names of reasons, one for each candidate that can't be scored whatever the time. */
    public String[] unscorable = {};

    /** True for an answer whose status is UNSCORED. */
    public boolean unscoredList;

    public OutputRecord() {}

    /**
     * Returns the bytes that key, headers and value may have together.
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

    /** Returns the bytes of key, headers and value on the wire, at most. */
    public long size() {
        return (key == null ? 0 : key.length) + new Headers(headerNames, headerValues).size() + value.length;
    }

    /**
     * Builds the record of the topic it belongs to. It has no timestamp of its own: consumers see when the answer was
     * sent, not when its list was.
     */
    ProducerRecord<byte[], byte[]> toProducerRecord(String results, String deadLetters) {
        var record = new ProducerRecord<>(deadLetter ? deadLetters : results, key, value);
        for (int i = 0; i < headerNames.length; i++) {
            record.headers().add(headerNames[i], headerValues[i]);
        }
        return record;
    }

    @Override
    public String toString() {
        return (deadLetter ? "dead letter" : "answer") + " to " + position + ", " + value.length + " bytes";
    }
}
