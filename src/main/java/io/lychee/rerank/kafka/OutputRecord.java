package io.lychee.rerank.kafka;

import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.jspecify.annotations.Nullable;

/** A record ready to be written: an answer or a dead letter, encoded. A POJO for Flink's sake. */
public final class OutputRecord {

    public static final TypeInformation<OutputRecord> TYPE = TypeInformation.of(OutputRecord.class);

    /** Goes to the dead letters instead of the results. */
    public boolean deadLetter;

    /** The request id; a dead letter has its record's own key, or null. */
    public byte @Nullable [] key;

    public byte[] value = {};

    public String[] headerNames = {};

    /** One for each name; an element may be null. */
    public byte[][] headerValues = {};

    /** That of the record that this is the answer to; files are put in this order. */
    public long position;

    /** Of the answer; 0 in a dead letter. */
    public int candidates;

    /** Names of reasons, one for each candidate that could not be scored whatever the time. */
    public String[] rejected = {};

    /** The answer has no score at all. */
    public boolean unscored;

    public OutputRecord() {}

    /** Bytes of key, headers and value on the wire, at most. */
    long size() {
        return (key == null ? 0 : key.length) + new Headers(headerNames, headerValues).size() + value.length;
    }

    @Override
    public String toString() {
        return (deadLetter ? "dead letter" : "answer") + " to " + position + ", " + value.length + " bytes";
    }
}
