package io.lychee.rerank.wire;

import java.io.IOException;

/** Reports bytes that are no record of the expected type: what was found, what was expected and where. */
public final class UnreadableException extends IOException {

    private final DeadLetterReason reason;

    public UnreadableException(DeadLetterReason reason, String message) {
        super(message);
        this.reason = reason;
    }

    static UnreadableException undecodable(String message) {
        return new UnreadableException(DeadLetterReason.UNDECODABLE, message);
    }

    /** Reports the one array with a limit. */
    static UnreadableException tooManyCandidates(int max) {
        return new UnreadableException(
                DeadLetterReason.INVALID,
                "candidates has more than " + max + " items; the limit is list.max-candidates");
    }

    public DeadLetterReason reason() {
        return reason;
    }

    /** Leaves the stack trace out: a flood of bad records must not cost more than good ones. */
    @Override
    public synchronized Throwable fillInStackTrace() {
        return this;
    }
}
