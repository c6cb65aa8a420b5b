package io.lychee.rerank.kafka;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.DeadLetterReason;
import io.lychee.rerank.wire.ItemLimit;
import io.lychee.rerank.wire.UnknownFields;
import io.lychee.rerank.wire.UnreadableException;
import io.lychee.rerank.wire.WireSchema;
import java.time.Clock;

/**
 * Bytes to {@link CandidateList}s. Whatever the bytes are, the result is a list or a dead letter, never an exception;
 * only running out of memory is one. Safe for any thread.
 */
public final class CandidateListDecoder {

    private final int maxRecordBytes;
    private final ItemLimit limit;
    private final Clock clock;
    private final UnknownFields unknown = new UnknownFields();

    public CandidateListDecoder(RerankConfig config, Clock clock) {
        this(config.kafka().maxRecordBytes(), config.limits().maxCandidates(), clock);
    }

    /** For lists that come otherwise than as a record, with a limit of their own. */
    public CandidateListDecoder(int maxRecordBytes, int maxCandidates, Clock clock) {
        this.maxRecordBytes = maxRecordBytes;
        this.limit = new ItemLimit("candidates", maxCandidates, "list.max-candidates");
        this.clock = clock;
    }

    public Decoded decode(SourceRecord record) {
        try {
            return new Decoded.Taken(read(record));
        } catch (UnreadableException e) {
            return dead(e.reason(), String.valueOf(e.getMessage()), record);
        } catch (RuntimeException e) {
            // a mistake of ours must not stop the job at this record for ever
            return dead(DeadLetterReason.UNDECODABLE, "can't be decoded: " + e, record);
        }
    }

    /** JSON fields skipped so far because no schema has them. */
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
        var decoded = WireSchema.CANDIDATE_LIST.read(value, limit, unknown);
        try {
            return CandidateListCodec.fromRecord(decoded);
        } catch (IllegalArgumentException e) {
            throw new UnreadableException(DeadLetterReason.INVALID, String.valueOf(e.getMessage()));
        }
    }

    private Decoded dead(DeadLetterReason reason, String message, SourceRecord record) {
        return new Decoded.Refused(new DeadLetter(reason, message, record, clock.instant()));
    }
}
