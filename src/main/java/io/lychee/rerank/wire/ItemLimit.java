package io.lychee.rerank.wire;

/**
 * How many items one array of a record may have, checked while it is read so that a longer one costs no memory.
 *
 * @param field the array, a field of the outermost record
 * @param key the option that sets the limit
 */
public record ItemLimit(String field, int max, String key) {

    public static final ItemLimit NONE = new ItemLimit("", Integer.MAX_VALUE, "");

    int of(boolean outermost, String name) {
        return outermost && name.equals(field) ? max : Integer.MAX_VALUE;
    }

    UnreadableException exceeded() {
        return new UnreadableException(
                DeadLetterReason.INVALID, field + " has more than " + max + " items; the limit is " + key);
    }
}
