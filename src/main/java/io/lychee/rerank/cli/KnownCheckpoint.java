package io.lychee.rerank.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Map;

/**
 * Describes a published checkpoint by facts, each with its source.
 *
 * @param parameters numbers in its tensors, of 16 bits each
 * @param facts by what they are about; empty where nothing is known
 * @param mebibytes in use on a device while scoring, by precision; only where measured
 */
record KnownCheckpoint(
        String name, String family, long parameters, Map<String, List<Fact>> facts, Map<String, Long> mebibytes) {

    record Fact(String value, String source) {}

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
