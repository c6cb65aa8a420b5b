package io.lychee.rerank.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImageProcessorConfigTest {

    private static final List<Double> CLIP_MEAN = List.of(0.48145466, 0.4578275, 0.40821073);
    private static final List<Double> CLIP_STD = List.of(0.26862954, 0.26130258, 0.27577711);

    @TempDir
    Path directory;

    @Test
    void as_published_checkpoints_write_it() {
        ImageProcessorConfig read = read("""
                {"min_pixels": 3136, "max_pixels": 12845056, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
                 "image_mean": [0.5, 0.25, 0.125], "image_std": [1, 2, 4], "size": {"shortest_edge": 1, "longest_edge": 2}}
                """);

        assertThat(read)
                .isEqualTo(new ImageProcessorConfig(
                        3136, 12845056, 14, 2, List.of(0.5, 0.25, 0.125), List.of(1.0, 2.0, 4.0)));
        assertThat(read.cellSize()).isEqualTo(28);
    }

    @Test
    void limits_in_size() {
        assertThat(read("{\"size\": {\"shortest_edge\": 784, \"longest_edge\": 1568}, \"min_pixels\": null}"))
                .isEqualTo(new ImageProcessorConfig(784, 1568, 14, 2, CLIP_MEAN, CLIP_STD));
    }

    @Test
    void defaults() {
        assertThat(read("{}")).isEqualTo(new ImageProcessorConfig(3136, 1_003_520, 14, 2, CLIP_MEAN, CLIP_STD));
    }

    @Test
    void nonsense_is_refused() {
        assertRefused("{\"min_pixels\": 10, \"max_pixels\": 9}", "pixel limits 10 to 9");
        assertRefused("{\"min_pixels\": \"few\"}", "a pixel limit of \"few\"");
        assertRefused("{\"image_mean\": [1, 2]}", "not three numbers");
        assertRefused("{\"rescale_factor\": 1}", "rescale_factor 1, not 1/255");
    }

    private void assertRefused(String text, String message) {
        assertThatThrownBy(() -> read(text))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("preprocessor_config.json (model.checkpoint) has ")
                .hasMessageContaining(message);
    }

    private ImageProcessorConfig read(String text) {
        try {
            Files.writeString(directory.resolve("preprocessor_config.json"), text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return ImageProcessorConfig.read(CheckpointFiles.of(directory.toString()));
    }
}
