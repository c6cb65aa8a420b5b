package io.lychee.rerank.wire;

/** Bytes that are no record of the type asked for; the message says what was found, what was expected and where. */
public final class UnreadableException extends Exception {

    private final DeadLetterReason reason;

    public UnreadableException(DeadLetterReason reason, String message) {
        // without a stack trace: it is expected, and a flood of bad records must not cost more than good ones
        super(message, null, false, false);
        this.reason = reason;
    }

    static UnreadableException undecodable(String message) {
        return new UnreadableException(DeadLetterReason.UNDECODABLE, message);
    }

    public DeadLetterReason reason() {
        return reason;
    }
}
