package io.lychee.rerank.scoring;

/** The device or the network failed. What was in flight is not answered; Flink replays it elsewhere. */
public final class ScoringException extends RuntimeException {

    private final boolean hang;

    private ScoringException(String message, boolean hang) {
        super(message);
        this.hang = hang;
    }

    public ScoringException(String message, Throwable cause) {
        super(message, cause);
        this.hang = false;
    }

    public ScoringException(String message) {
        this(message, false);
    }

    /** Native code does not return: this process can use the device no more, nor free it. */
    static ScoringException hang(String message) {
        return new ScoringException(message, true);
    }

    /** Whether only the end of the process frees the device. */
    public boolean isHang() {
        return hang;
    }
}
