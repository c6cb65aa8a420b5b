package io.lychee.rerank.kafka;

import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.wire.DeadLetterReason;
import io.lychee.rerank.wire.Fields;
import io.lychee.rerank.wire.ItemLimit;
import io.lychee.rerank.wire.PlainJsonWriter;
import io.lychee.rerank.wire.UnknownFields;
import io.lychee.rerank.wire.UnreadableException;
import io.lychee.rerank.wire.WireSchema;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import org.apache.avro.generic.GenericRecord;
import org.jspecify.annotations.Nullable;

/** Bytes to dead letters, for whoever reads them: Avro or JSON. Safe for any thread. */
public final class DeadLetterDecoder {

    private static final UnknownFields UNKNOWN = new UnknownFields();

    private DeadLetterDecoder() {}

    /** @throws UnreadableException when {@code value} is no dead letter of a known schema */
    public static DeadLetter decode(byte[] value) throws UnreadableException {
        GenericRecord record = WireSchema.DEAD_LETTER.read(value, ItemLimit.NONE, UNKNOWN);
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

    private static byte @Nullable [] bytes(@Nullable Object buffer) {
        return buffer == null ? null : PlainJsonWriter.bytes(buffer);
    }
}
