package io.lychee.rerank.encoding;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What {@code preprocessor_config.json} says about the size of images, in pixels.
 *
 * @param factor sides are multiples of it: patch size × merge size
 * @param minPixels of the resized image
 * @param maxPixels of the resized image
 */
record Preprocessor(int factor, long minPixels, long maxPixels) {

    /** The defaults of the reference implementation stand in for what the file leaves out. */
    private static final Preprocessor DEFAULT = new Preprocessor(28, 3136, 12_845_056);

    /** @throws ConfigException when the file can't be read or makes no sense */
    static Preprocessor read(Path file) {
        try {
            JsonNode root = new ObjectMapper().readTree(Files.readAllBytes(file));
            JsonNode size = root.path("size");
            long min = root.path("min_pixels").asLong(size.path("shortest_edge").asLong(DEFAULT.minPixels()));
            long max = root.path("max_pixels").asLong(size.path("longest_edge").asLong(DEFAULT.maxPixels()));
            int factor =
                    root.path("patch_size").asInt(14) * root.path("merge_size").asInt(2);
            if (factor < 1 || min < 1 || max < min) {
                throw new ConfigException(
                        "%s gives patch × merge %d, min_pixels %d, max_pixels %d".formatted(file, factor, min, max));
            }
            return new Preprocessor(factor, min, max);
        } catch (IOException e) {
            throw new ConfigException("%s can't be read (model.checkpoint): %s".formatted(file, e), e);
        }
    }
}
