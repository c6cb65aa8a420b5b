package io.lychee.rerank.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Map;

/**
 * Describes a published checkpoint by facts, each with its source.
 *
 * @param name at Hugging Face
 * @param parameters numbers in its tensors, of 16 bits each
 * @param facts by what they are about; empty where nothing is known
 * @param memory what a device had in use, only where measured
 */
record KnownCheckpoint(
        String name, String family, long parameters, Map<String, List<Fact>> facts, List<Measured> memory) {

    record Fact(String value, String source) {

        @Override
        public String toString() {
            return value + " [" + source + "]";
        }
    }

    /** @param load what ran meanwhile */
    record Measured(String precision, long mebibytes, String load, String source) {

        long bytes() {
            return mebibytes << 20;
        }
    }

    /** Returns the bytes of its files. */
    long bytes() {
        return 2 * parameters;
    }

    /** Reads {@code checkpoints.json}. */
    static List<KnownCheckpoint> all() throws IOException {
        try (InputStream text = KnownCheckpoint.class.getResourceAsStream("/checkpoints.json")) {
            return List.of(new ObjectMapper().readValue(text, KnownCheckpoint[].class));
        }
    }
}
