package io.lychee.rerank.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.Families;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.prompt.PromptGolden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class SmartResizeTest {

    /** Height, width, and what the reference implementation makes of them within 3,136 to 1,003,520 pixels. */
    private static final int[][] TABLE = {
        {1080, 1920, 728, 1316},
        {480, 640, 476, 644},
        {4000, 3000, 1148, 840},
        {224, 224, 224, 224},
        {1003, 1001, 980, 980},
        {70, 42, 56, 56},
        {98, 126, 112, 112},
        {10, 1900, 28, 784},
        {1, 1, 56, 56},
        {1, 200, 28, 812},
        {70, 98, 56, 112},
    };

    private final SmartResize sizes = new SmartResize(28, 0, 3136, 1_003_520);

    @Test
    void sizesAreTheReferences() throws RejectedException {
        for (int[] row : TABLE) {
            assertThat(sizes.size(row[0], row[1]))
                    .as("%d × %d", row[0], row[1])
                    .isEqualTo(new SmartResize.Size(row[2], row[3]));
        }
    }

    @Test
    void tooLongImagesAreRejected() throws RejectedException {
        assertThat(sizes.size(10, 2000).height()).isEqualTo(28);
        assertThatThrownBy(() -> SmartResize.requireShape(2001, 10, ""))
                .hasMessageContaining("10 × 2001 pixels")
                .isInstanceOfSatisfying(
                        RejectedException.class, e -> assertThat(e.reason()).isEqualTo(Reason.IMAGE_TOO_LARGE));
    }

    @Test
    void publishedRulesResizeTwiceInCellsOfTheCheckpoint() {
        List<Double> half = List.of(0.5, 0.5, 0.5);
        var checkpoint = new ImageProcessorConfig(4096, 16_777_216, 16, 2, half, half);
        var limits = PromptGolden.config("image.rules", "published").limits();
        List<SmartResize> passes = SmartResize.passes(limits, Families.ALL.get(0), checkpoint);

        assertThat(passes)
                .containsExactly(new SmartResize(32, 32, 4096, 16_777_216), new SmartResize(32, 0, 4096, 1_003_520));
        assertThat(passes.get(0).size(10, 1900)).isEqualTo(new SmartResize.Size(32, 1888));
        assertThat(passes.get(1).size(10, 1900)).isEqualTo(new SmartResize.Size(32, 896));
        assertThat(SmartResize.passes(limits, Families.ALL.get(1), checkpoint)) // Qwen3-VL's skips the processor's
                .containsExactly(new SmartResize(32, 32, 4096, 1_843_200));
    }

    @Test
    void theNarrowerLimitsHold(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("preprocessor_config.json");
        Files.writeString(file, "{\"min_pixels\": 6272, \"max_pixels\": 12845056, \"patch_size\": 14}");
        CheckpointFiles checkpoint = CheckpointFiles.of(folder.toString());
        var limits = PromptGolden.config().limits();
        assertThat(SmartResize.of(limits, Families.ALL.get(0), ImageProcessorConfig.read(checkpoint)))
                .isEqualTo(new SmartResize(28, 0, 6272, 1_003_520));

        Files.writeString(file, "{\"size\": {\"shortest_edge\": 784, \"longest_edge\": 50176}, \"merge_size\": 4}");
        assertThat(SmartResize.of(limits, Families.ALL.get(0), ImageProcessorConfig.read(checkpoint)))
                .isEqualTo(new SmartResize(56, 0, 3136, 50_176));

        Files.writeString(file, "{\"max_pixels\": 3000, \"min_pixels\": 784}");
        assertThatThrownBy(() -> SmartResize.of(limits, Families.ALL.get(0), ImageProcessorConfig.read(checkpoint)))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("image.min-pixels is 3136");

        Files.writeString(file, "{\"max_pixels\": 3000}");
        assertThatThrownBy(() -> ImageProcessorConfig.read(checkpoint)).isInstanceOf(ConfigException.class);
        Files.delete(file);
        assertThatThrownBy(() -> ImageProcessorConfig.read(checkpoint)).isInstanceOf(ConfigException.class);
    }
}
