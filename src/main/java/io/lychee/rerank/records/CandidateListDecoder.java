package io.lychee.rerank.records;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.DeadLetterReason;
import io.lychee.rerank.wire.UnknownFields;
import io.lychee.rerank.wire.UnreadableException;
import io.lychee.rerank.wire.WireSchema;
import java.time.Clock;

/**
 * Decodes records to a {@link CandidateList} or a dead letter. It throws nothing, whatever the bytes are; only running
 * out of memory is an error. Safe for any thread.
 */
public final class CandidateListDecoder {

    private final int maxRecordBytes;
    private final int maxCandidates;
    private final Clock clock;
    private final UnknownFields unknown = new UnknownFields();

    public CandidateListDecoder(RerankConfig config, Clock clock) {
        this(config.kafka().maxRecordBytes(), config.limits().maxCandidates(), clock);
    }

    /** Decodes lists that come otherwise than as a record, with a limit of their own. */
    public CandidateListDecoder(int maxRecordBytes, int maxCandidates, Clock clock) {
        this.maxRecordBytes = maxRecordBytes;
        this.maxCandidates = maxCandidates;
        this.clock = clock;
    }

    public Decoded decode(SourceRecord record) {
        try {
            return new Decoded.Taken(read(record));
        } catch (UnreadableException e) {
            return dead(e.reason(), String.valueOf(e.getMessage()), record);
        } catch (RuntimeException e) {
            // a mistake of ours must not stop the job at this record
            return dead(DeadLetterReason.UNDECODABLE, "can't be decoded: " + e, record);
        }
    }

    /** Returns the count of JSON fields skipped because no schema has them. */
    public long unknownFields() {
        return unknown.count();
    }

    private CandidateList read(SourceRecord record) throws UnreadableException {
        if (record.size > maxRecordBytes) {
            throw new UnreadableException(
                    DeadLetterReason.OVERSIZED,
                    "the record has " + record.size + " bytes; at most " + maxRecordBytes
                            + " are taken (kafka.max-record-bytes)");
        }
        byte[] value = record.value;
        if (value == null || WireSchema.isBlank(value)) {
            throw new UnreadableException(
                    DeadLetterReason.EMPTY_RECORD, value == null ? "the record has no value" : "the value is empty");
        }
        return CandidateListCodec.decode(value, maxCandidates, unknown);
    }

    private Decoded dead(DeadLetterReason reason, String message, SourceRecord record) {
        return new Decoded.Refused(new DeadLetter(reason, message, record, clock.instant()));
    }
}
