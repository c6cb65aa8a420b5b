package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Reason;
import org.jspecify.annotations.Nullable;

/** Where one candidate of a list in flight stands. */
sealed interface Outcome {

    /** Not encoded yet. */
    enum Waiting implements Outcome {
        INSTANCE
    }

    /** Encoded, not yet in a pass. */
    record Ready(Segment segment) implements Outcome {}

    /** In the pass that the device works on. */
    record Running(Segment segment) implements Outcome {}

    /** @param detail a remark for people, or null */
    record Scored(float score, boolean truncated, @Nullable String detail) implements Outcome {}

    record Rejected(Reason reason, String detail) implements Outcome {}

    /** Names why a pass came to no score. */
    static Outcome unscored(float score) {
        return score == Device.NO_MEMORY
                ? new Rejected(Reason.OUT_OF_MEMORY, "query and candidate don't fit the device's memory, even alone")
                : new Rejected(Reason.NOT_A_NUMBER, "the network comes to no number for query and candidate");
    }

    default boolean settled() {
        return this instanceof Scored || this instanceof Rejected;
    }
}
