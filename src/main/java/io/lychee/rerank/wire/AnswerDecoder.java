package io.lychee.rerank.wire;

/** Bytes to answers, for whoever reads them: Avro or JSON. Safe for any thread. */
public final class AnswerDecoder {

    private static final UnknownFields UNKNOWN = new UnknownFields();

    private AnswerDecoder() {}

    /** @throws UnreadableException when {@code value} is no answer of a known schema */
    public static Answer decode(byte[] value) throws UnreadableException {
        return Answers.fromRecord(WireSchema.RERANKED_LIST.read(value, ItemLimit.NONE, UNKNOWN));
    }
}
