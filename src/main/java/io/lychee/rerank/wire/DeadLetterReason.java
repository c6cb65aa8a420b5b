package io.lychee.rerank.wire;

/** Names the reason why a record is no candidate list. */
public enum DeadLetterReason {
    /** Neither Avro nor JSON of a known schema. */
    UNDECODABLE,
    /** Above {@code kafka.max-record-bytes}. */
    OVERSIZED,
    /** No value, or only white space. */
    EMPTY_RECORD,
    /** Decoded, but a field is out of its range. */
    INVALID,
    /** A reason of a later release; never written. */
    OTHER
}
