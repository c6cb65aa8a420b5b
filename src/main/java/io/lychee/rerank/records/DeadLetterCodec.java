package io.lychee.rerank.records;

import static io.lychee.rerank.wire.Fields.get;

import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.Unicode;
import io.lychee.rerank.kafka.OutputRecord;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.wire.DeadLetterReason;
import io.lychee.rerank.wire.Fields;
import io.lychee.rerank.wire.UnreadableException;
import io.lychee.rerank.wire.WireSchema;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericRecord;
import org.jspecify.annotations.Nullable;

/**
 * Maps {@link DeadLetter} to {@code dead_letter.avsc} and back. A dead letter has the key and the headers of its
 * record, unless these take more than an eighth of {@code kafka.max-record-bytes}. Of the value it keeps the first 256
 * KiB, or less until it fits. Safe for any thread.
 */
public final class DeadLetterCodec {

    private static final WireSchema TYPE = WireSchema.DEAD_LETTER;
    private static final Schema HEADER = TYPE.schema("headers").getElementType();
    private static final int MAX_MESSAGE = 500;
    private static final int MAX_SOURCE = 300;
    private static final int SHORT_TEXT = 60;

    private final OutputFormat format;
    private final int budget;

    public DeadLetterCodec(RerankConfig.Kafka kafka) {
        this(kafka.outputFormat(), kafka.maxRecordBytes());
    }

    public DeadLetterCodec(OutputFormat format, int maxRecordBytes) {
        this.format = format;
        this.budget = OutputRecord.budget(maxRecordBytes);
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
        GenericRecord record = toRecord(letter, out);
        int kept = origin.value == null ? 0 : Math.min(origin.value.length, SourceRecord.KEPT_BYTES);
        long room = budget - out.size();
        do {
            record.put("payload", origin.value == null ? null : ByteBuffer.wrap(origin.value, 0, kept));
            out.value = WireSchema.encode(record, format);
            kept /= 2;
        } while (out.value.length > room && kept > 0);
        if (out.value.length > room) {
            // text of control characters takes six bytes a character in JSON
            record.put("message", Unicode.cut(letter.message(), SHORT_TEXT));
            record.put("source", Unicode.cut(origin.source, SHORT_TEXT));
            out.value = WireSchema.encode(record, format);
        }
        return out;
    }

    /**
     * Decodes Avro or plain JSON.
     *
     * @throws UnreadableException when {@code value} is no dead letter of a known schema
     */
    public static DeadLetter decode(byte[] value) throws UnreadableException {
        GenericRecord record = TYPE.read(value);
        List<GenericRecord> headers = get(record, "headers");
        SourceRecord origin = new SourceRecord();
        origin.source = get(record, "source");
        origin.partition = get(record, "partition");
        origin.offset = get(record, "offset");
        origin.timestamp = get(record, "timestamp");
        origin.lane = Objects.requireNonNull(Fields.constant(Lane.class, record, "lane"));
        origin.key = Fields.bytes(record, "key");
        origin.value = Fields.bytes(record, "payload");
        origin.headerNames = headers.stream().map(header -> get(header, "name")).toArray(String[]::new);
        origin.headerValues =
                headers.stream().map(header -> Fields.bytes(header, "value")).toArray(byte[][]::new);
        origin.valueSize = get(record, "payload_size");
        origin.size = origin.valueSize + origin.headers().size() + (origin.key == null ? 0 : origin.key.length);
        return new DeadLetter(
                Objects.requireNonNull(Fields.constant(DeadLetterReason.class, record, "reason")),
                get(record, "message"),
                origin,
                Instant.ofEpochMilli(get(record, "failed_at")));
    }

    private static GenericRecord toRecord(DeadLetter letter, OutputRecord out) {
        SourceRecord origin = letter.origin();
        List<GenericRecord> headers = new ArrayList<>();
        for (int i = 0; i < out.headerNames.length; i++) {
            headers.add(Fields.record(HEADER, out.headerNames[i], buffer(out.headerValues[i])));
        }
        return Fields.record(
                TYPE.schema(),
                letter.reason(),
                Unicode.cut(letter.message(), MAX_MESSAGE),
                Unicode.cut(origin.source, MAX_SOURCE),
                origin.partition,
                origin.offset,
                origin.timestamp,
                origin.lane,
                buffer(out.key),
                headers,
                null,
                origin.valueSize,
                letter.failedAt().toEpochMilli());
    }

    private static @Nullable ByteBuffer buffer(byte @Nullable [] bytes) {
        return bytes == null ? null : ByteBuffer.wrap(bytes);
    }
}
