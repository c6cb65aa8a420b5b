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

    default boolean settled() {
        return this instanceof Scored || this instanceof Rejected;
    }
}
