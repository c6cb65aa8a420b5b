package io.lychee.rerank.kafka;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions.OutputFormat;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.wire.DeadLetterReason;
import io.lychee.rerank.wire.Fields;
import io.lychee.rerank.wire.ItemLimit;
import io.lychee.rerank.wire.PlainJsonWriter;
import io.lychee.rerank.wire.SizeBudget;
import io.lychee.rerank.wire.UnknownFields;
import io.lychee.rerank.wire.UnreadableException;
import io.lychee.rerank.wire.Utf8;
import io.lychee.rerank.wire.WireSchema;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.jspecify.annotations.Nullable;

/**
 * Dead letters to records, with the key and the headers of the record they are about, unless these take more than an
 * eighth of {@code kafka.max-record-bytes}. Of its value they keep the first 256 KiB, or less until it fits. Safe for
 * any thread.
 */
public final class DeadLetterCodec {

    private static final WireSchema TYPE = WireSchema.DEAD_LETTER;
    private static final Schema HEADER = TYPE.schema("headers").getElementType();
    private static final UnknownFields UNKNOWN = new UnknownFields();
    private static final int MAX_MESSAGE = 500;
    private static final int MAX_SOURCE = 300;

    private final OutputFormat format;
    private final int budget;

    public DeadLetterCodec(RerankConfig.Kafka kafka) {
        this(kafka.outputFormat(), kafka.maxRecordBytes());
    }

    public DeadLetterCodec(OutputFormat format, int maxRecordBytes) {
        this.format = format;
        this.budget = SizeBudget.budget(maxRecordBytes);
    }

    public OutputRecord encode(DeadLetter letter) {
        SourceRecord origin = letter.origin();
        // both occur twice, in the letter and beside it
        boolean keepHeaders = origin.headers().size() <= budget / 8;
        boolean keepKey = origin.key == null || origin.key.length <= budget / 8;
        OutputRecord out = new OutputRecord();
        out.deadLetter = true;
        out.key = keepKey ? origin.key : null;
        out.headerNames = keepHeaders ? origin.headerNames : new String[0];
        out.headerValues = keepHeaders ? origin.headerValues : new byte[0][];
        out.position = origin.position;
        GenericRecord record = record(letter, out);
        int kept = origin.value == null ? 0 : Math.min(origin.value.length, SourceRecord.KEPT_BYTES);
        long room = budget - out.size();
        do {
            record.put("payload", origin.value == null ? null : ByteBuffer.wrap(origin.value, 0, kept));
            out.value = SizeBudget.encode(TYPE, record, format);
            kept /= 2;
        } while (out.value.length > room && kept > 0);
        if (out.value.length > room) {
            // text of control characters takes six bytes a character in JSON
            record.put("message", Utf8.cut(letter.message(), 60));
            record.put("source", Utf8.cut(origin.source, 60));
            out.value = SizeBudget.encode(TYPE, record, format);
        }
        return out;
    }

    /** @throws UnreadableException when {@code value} is no dead letter of a known schema */
    public static DeadLetter decode(byte[] value) throws UnreadableException {
        GenericRecord record = TYPE.read(value, ItemLimit.NONE, UNKNOWN);
        SourceRecord origin = new SourceRecord();
        origin.source = Fields.text(record, "source");
        origin.partition = (int) record.get("partition");
        origin.offset = Fields.number(record, "offset");
        origin.timestamp = Fields.number(record, "timestamp");
        origin.lane = Objects.requireNonNull(Fields.symbol(Lane.class, record, "lane"));
        origin.key = bytes(record.get("key"));
        origin.value = bytes(record.get("payload"));
        List<GenericRecord> headers = Fields.records(record, "headers");
        origin.headerNames =
                headers.stream().map(header -> Fields.text(header, "name")).toArray(String[]::new);
        origin.headerValues =
                headers.stream().map(header -> bytes(header.get("value"))).toArray(byte[][]::new);
        origin.valueSize = Fields.number(record, "payload_size");
        origin.size = origin.valueSize + origin.headers().size() + (origin.key == null ? 0 : origin.key.length);
        return new DeadLetter(
                Objects.requireNonNull(Fields.symbol(DeadLetterReason.class, record, "reason")),
                Fields.text(record, "message"),
                origin,
                Instant.ofEpochMilli(Fields.number(record, "failed_at")));
    }

    private static GenericRecord record(DeadLetter letter, OutputRecord out) {
        SourceRecord origin = letter.origin();
        GenericRecord record = new GenericData.Record(TYPE.schema());
        record.put("reason", Fields.symbol(TYPE.schema("reason"), letter.reason()));
        record.put("message", Utf8.cut(letter.message(), MAX_MESSAGE));
        record.put("source", Utf8.cut(origin.source, MAX_SOURCE));
        record.put("partition", origin.partition);
        record.put("offset", origin.offset);
        record.put("timestamp", origin.timestamp);
        record.put("lane", Fields.symbol(TYPE.schema("lane"), origin.lane));
        record.put("key", buffer(out.key));
        List<GenericRecord> headers = new ArrayList<>();
        for (int i = 0; i < out.headerNames.length; i++) {
            GenericRecord header = new GenericData.Record(HEADER);
            header.put("name", out.headerNames[i]);
            header.put("value", buffer(out.headerValues[i]));
            headers.add(header);
        }
        record.put("headers", headers);
        record.put("payload_size", origin.valueSize);
        record.put("failed_at", letter.failedAt().toEpochMilli());
        return record;
    }

    private static @Nullable ByteBuffer buffer(byte @Nullable [] bytes) {
        return bytes == null ? null : ByteBuffer.wrap(bytes);
    }

    private static byte @Nullable [] bytes(@Nullable Object buffer) {
        return buffer == null ? null : PlainJsonWriter.bytes(buffer);
    }
}
