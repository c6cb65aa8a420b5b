package io.lychee.rerank.domain;

/** Something is wrong with one candidate (or with the query's own content): a result, never a fault of the job. */
public final class RejectedException extends Exception {

    private final Reason reason;

    /** @param detail what was found, what was expected, and which key changes it */
    public RejectedException(Reason reason, String detail) {
        super(detail);
        this.reason = reason;
    }

    public Reason reason() {
        return reason;
    }
}
