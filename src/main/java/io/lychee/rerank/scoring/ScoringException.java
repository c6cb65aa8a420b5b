package io.lychee.rerank.scoring;

/** Reports a fault of the device or the network. Lists in flight are not answered; Flink replays them elsewhere. */
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

    /** Reports native code that does not return: this process can neither use the device any more nor free it. */
    static ScoringException hang(String message) {
        return new ScoringException(message, true);
    }

    /** Returns whether only the end of the process frees the device. */
    public boolean isHang() {
        return hang;
    }
}
