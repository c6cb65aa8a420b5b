package io.lychee.rerank.wire;

/** Why a record could not be taken as a candidate list. */
public enum DeadLetterReason {
    /** Neither Avro nor JSON of a known schema. */
    UNDECODABLE,
    /** Above {@code kafka.max-record-bytes}. */
    OVERSIZED,
    /** No value, or nothing but white space. */
    EMPTY_RECORD,
    /** Decoded, but a field is out of its range. */
    INVALID,
    /** A reason of a later release; never written. */
    OTHER
}
