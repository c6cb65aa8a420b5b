package io.lychee.rerank.kafka;

import io.lychee.rerank.domain.Lane;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.jspecify.annotations.Nullable;

/**
 * Holds a record undecoded, so that the rerank operator's checkpoints outlive changes of the schemas. A POJO, because
 * Flink serializes it; its fields stay once it is made.
 */
public final class SourceRecord {

    /** Bytes kept of a value that is too large, for its dead letter. */
    public static final int KEPT_BYTES = 256 * 1024;

    /** The year 2000: milliseconds are beyond it, seconds are below it until the year 31,700. */
    static final long EARLIEST_MS = Instant.parse("2000-01-01T00:00:00Z").toEpochMilli();

    /** Skew of a producer's clock, at most. */
    static final long MAX_AHEAD_MS = Duration.ofHours(1).toMillis();

    public static final TypeInformation<SourceRecord> TYPE = TypeInformation.of(SourceRecord.class);

    /** Null where the record has none. */
    public byte @Nullable [] key;

    /** Null where the record has none; its first 256 KiB where the record is larger than the source's limit. */
    public byte @Nullable [] value;

    /** In the record's order; names may repeat. Empty where the record is larger than the source's limit. */
    public String[] headerNames = {};

    /** One for each name; an element may be null. */
    public byte[][] headerValues = {};

    /** Bytes of the whole key, headers and value. */
    public long size;

    /** Bytes of the whole value. */
    public long valueSize;

    /** The topic, or the name of the file. */
    public String source = "";

    /** -1 for files. */
    public int partition = -1;

    /** The record's offset, or the 0-based number of the line, or of the list in an Avro file. */
    public long offset;

    /** Order of answers in a file; 0 for topics, whose answers have no order. */
    public long position;

    /** Milliseconds since the epoch; -1 where the record has none. */
    public long timestamp = -1;

    /** Time of reading, milliseconds since the epoch. */
    public long readAt;

    public Lane lane = Lane.REALTIME;

    public SourceRecord() {}

    /** Makes a record of a file's line, by its 0-based number and the time of reading in milliseconds. */
    public static SourceRecord line(String file, long number, byte[] line, long readAt) {
        SourceRecord record = new SourceRecord();
        record.value = line;
        record.size = line.length;
        record.valueSize = line.length;
        record.source = file;
        record.offset = number;
        record.position = number;
        record.readAt = readAt;
        record.lane = Lane.BACKFILL;
        return record;
    }

    /** Sets key, value and headers, cut where they are larger than {@code maxBytes} together. */
    void hold(byte @Nullable [] newKey, byte @Nullable [] newValue, Headers headers, int maxBytes) {
        valueSize = newValue == null ? 0 : newValue.length;
        size = (newKey == null ? 0 : newKey.length) + headers.size() + valueSize;
        boolean cut = size > maxBytes;
        key = cut ? first(newKey) : newKey;
        value = cut ? first(newValue) : newValue;
        headerNames = cut ? new String[0] : headers.names();
        headerValues = cut ? new byte[0][] : headers.values();
    }

    /** Returns the bytes of key, value and headers that are held. */
    long heldBytes() {
        return (key == null ? 0 : key.length)
                + (value == null ? 0 : value.length)
                + headers().size();
    }

    /** Tells milliseconds since the epoch from seconds or microseconds; a missing timestamp is plausible. */
    public boolean hasPlausibleTimestamp() {
        return timestamp == -1 || (timestamp >= EARLIEST_MS && timestamp - MAX_AHEAD_MS <= readAt);
    }

    public Headers headers() {
        return new Headers(headerNames, headerValues);
    }

    private static byte @Nullable [] first(byte @Nullable [] bytes) {
        return bytes == null || bytes.length <= KEPT_BYTES ? bytes : Arrays.copyOf(bytes, KEPT_BYTES);
    }

    /** Names the record's place, never its content. */
    @Override
    public String toString() {
        return partition < 0 ? source + ":" + (offset + 1) : source + "-" + partition + "@" + offset;
    }
}
