package io.lychee.rerank.scoring;

/** The device or the network failed. What was in flight is not answered; Flink replays it elsewhere. */
public final class ScoringException extends RuntimeException {

    public ScoringException(String message, Throwable cause) {
        super(message, cause);
    }

    public ScoringException(String message) {
        super(message);
    }
}
