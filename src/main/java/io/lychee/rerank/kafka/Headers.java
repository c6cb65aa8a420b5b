package io.lychee.rerank.kafka;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Holds the headers of a record, in their order; names may repeat, and values may be null. */
@SuppressWarnings("ArrayRecordComponent") // never compared
public record Headers(String[] names, byte[][] values) {

    public static final Headers NONE = new Headers(new String[0], new byte[0][]);

    /** Returns the bytes on the wire, at most. */
    public long size() {
        long size = 0;
        for (int i = 0; i < names.length; i++) {
            // ten for the two lengths in front
            size += 10 + names[i].getBytes(StandardCharsets.UTF_8).length;
            size += values[i] == null ? 0 : values[i].length;
        }
        return size;
    }

    public Headers with(String name, byte @Nullable [] value) {
        String[] moreNames = Arrays.copyOf(names, names.length + 1);
        byte[][] moreValues = Arrays.copyOf(values, values.length + 1);
        moreNames[names.length] = name;
        moreValues[names.length] = value;
        return new Headers(moreNames, moreValues);
    }
}
