package io.lychee.rerank.records;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.DeadLetterReason;
import io.lychee.rerank.wire.UnknownFields;
import io.lychee.rerank.wire.UnreadableException;
import io.lychee.rerank.wire.WireSchema;
import org.jspecify.annotations.Nullable;

/**
 * Decodes records to lists. Whatever the bytes are, it throws only {@link UnreadableException}, or an error when it
 * runs out of memory. Safe for any thread.
 */
public final class CandidateListDecoder {

    private final int maxRecordBytes;
    private final int maxCandidates;
    private final UnknownFields unknown = new UnknownFields();

    public CandidateListDecoder(RerankConfig config) {
        this(config.kafka().maxRecordBytes(), config.limits().maxCandidates());
    }

    /** Decodes lists that come otherwise than as a record, with a limit of their own. */
    public CandidateListDecoder(int maxRecordBytes, int maxCandidates) {
        this.maxRecordBytes = maxRecordBytes;
        this.maxCandidates = maxCandidates;
    }

    public CandidateList decode(SourceRecord record) throws UnreadableException {
        return decode(record.value, record.size);
    }

    public CandidateList decode(byte[] value) throws UnreadableException {
        return decode(value, value.length);
    }

    /** Returns the count of JSON fields skipped because no schema has them. */
    public long unknownFields() {
        return unknown.count();
    }

    private CandidateList decode(byte @Nullable [] value, long recordBytes) throws UnreadableException {
        if (recordBytes > maxRecordBytes) {
            throw new UnreadableException(
                    DeadLetterReason.OVERSIZED,
                    "the record has " + recordBytes + " bytes; at most " + maxRecordBytes
                            + " are taken (kafka.max-record-bytes)");
        }
        if (value == null || WireSchema.isBlank(value)) {
            throw new UnreadableException(
                    DeadLetterReason.EMPTY_RECORD, value == null ? "the record has no value" : "the value is empty");
        }
        try {
            return CandidateListCodec.decode(value, maxCandidates, unknown);
        } catch (RuntimeException e) {
            // a mistake of ours must not stop the job at this record
            throw new UnreadableException(DeadLetterReason.UNDECODABLE, "can't be decoded: " + e);
        }
    }
}
