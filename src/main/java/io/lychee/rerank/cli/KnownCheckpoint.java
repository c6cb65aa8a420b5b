package io.lychee.rerank.cli;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;

/**
 * Describes a published checkpoint by facts, each with its source; one that is not known is absent.
 *
 * @param name at Hugging Face
 * @param parameters numbers in its tensors, of 16 bits each
 * @param memory bytes in use on a device by precision, only where measured
 */
record KnownCheckpoint(
        String name,
        String family,
        long parameters,
        List<Fact> licence,
        List<Fact> languages,
        List<Fact> quality,
        List<Fact> speed,
        Map<String, Measured> memory) {

    record Fact(String value, String source) {}

    /** @param load what ran meanwhile */
    record Measured(long mebibytes, String load, String source) {

        long bytes() {
            return mebibytes << 20;
        }
    }

    /** Returns the bytes of its files. */
    long bytes() {
        return 2 * parameters;
    }

    /** Reads {@code checkpoints.json}. */
    static List<KnownCheckpoint> all() {
        JsonMapper mapper = JsonMapper.builder()
                .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
                .build();
        try (InputStream text = KnownCheckpoint.class.getResourceAsStream("/checkpoints.json")) {
            return List.of(mapper.readValue(text, KnownCheckpoint[].class));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
