package io.lychee.rerank.domain;

import java.util.Arrays;

/** Image of a query or candidate: a reference, or encoded bytes. */
public sealed interface Image {

    /** Reads text: a {@code data:} URI as its bytes. A malformed one stays a reference, which no one can follow. */
    static Image of(String text) {
        byte[] data = DataUri.parse(text);
        return data == null ? new Reference(text) : new Bytes(data);
    }

    /**
     * {@code https://…}, {@code http://…} or {@code file:PATH}; what comes after {@code file:} is a plain path. White
     * space around it is dropped.
     */
    record Reference(String uri) implements Image {

        public Reference {
            uri = uri.trim(); // control characters too, as URLs lose them
        }
    }

    /** An encoded picture (JPEG, PNG, WebP, GIF); its magic bytes decide the format. */
    @SuppressWarnings("ArrayRecordComponent") // equality is defined below
    record Bytes(byte[] data) implements Image {

        @Override
        public boolean equals(Object other) {
            return other instanceof Bytes that && Arrays.equals(data, that.data);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(data);
        }

        @Override
        public String toString() {
            return "Bytes[" + data.length + "]";
        }
    }
}
