package io.lychee.rerank.kafka;

import io.lychee.rerank.domain.Lane;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.jspecify.annotations.Nullable;

/**
 * A record as it was read, undecoded: what flows to the rerank operator and lies in its checkpoints, so that these
 * outlive changes of the schemas. A POJO for Flink's sake; nobody writes to it once it is made.
 */
public final class SourceRecord {

    /** How much of a value that is too large is kept, for its dead letter. */
    static final int KEPT_BYTES = 256 * 1024;

    /** The year 2000; milliseconds never lie before it, seconds do until 31,700. */
    static final long EARLIEST_MS = Instant.parse("2000-01-01T00:00:00Z").toEpochMilli();

    /** Clocks of producers differ by less. */
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

    /** Bytes of key, headers and value as they were read. */
    public long size;

    /** Bytes of the value as it was read. */
    public long valueSize;

    /** The topic, or the name of the file. */
    public String source = "";

    /** -1 for files. */
    public int partition = -1;

    /** The record's offset, or the 0-based number of the line, or of the list in an Avro file. */
    public long offset;

    /** Answers lie in a file in this order; 0 for topics, whose answers have none. */
    public long position;

    /** The record's, milliseconds since the epoch; -1 where it has none. */
    public long timestamp = -1;

    /** When it was read, milliseconds since the epoch. */
    public long readAt;

    public Lane lane = Lane.REALTIME;

    public SourceRecord() {}

    /**
     * A line of a file.
     *
     * @param number 0-based
     * @param readAt milliseconds since the epoch
     */
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

    /** Sets what was read, cut where it is larger than {@code maxBytes} in all. */
    void hold(byte @Nullable [] newKey, byte @Nullable [] newValue, Headers headers, int maxBytes) {
        valueSize = newValue == null ? 0 : newValue.length;
        size = (newKey == null ? 0 : newKey.length) + headers.size() + valueSize;
        boolean cut = size > maxBytes;
        key = cut && newKey != null ? first(newKey) : newKey;
        value = cut && newValue != null ? first(newValue) : newValue;
        headerNames = cut ? new String[0] : headers.names();
        headerValues = cut ? new byte[0][] : headers.values();
    }

    /** Returns the bytes of key, value and headers that are held. */
    long heldBytes() {
        return (key == null ? 0 : key.length)
                + (value == null ? 0 : value.length)
                + headers().size();
    }

    /** Tells milliseconds since the epoch from seconds, microseconds and the like; none at all is plausible. */
    public boolean hasPlausibleTimestamp() {
        return timestamp == -1 || (timestamp >= EARLIEST_MS && timestamp - MAX_AHEAD_MS <= readAt);
    }

    Headers headers() {
        return new Headers(headerNames, headerValues);
    }

    private static byte[] first(byte[] bytes) {
        return bytes.length <= KEPT_BYTES ? bytes : Arrays.copyOf(bytes, KEPT_BYTES);
    }

    /** For messages: where the record lies, never its content. */
    @Override
    public String toString() {
        return partition < 0 ? source + ":" + (offset + 1) : source + "-" + partition + "@" + offset;
    }
}
