package io.lychee.rerank.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.prompt.PromptGolden;
import io.lychee.rerank.prompt.QwenEncoder;
import io.lychee.rerank.scoring.EncodedImage;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Pictures become the pixels that Hugging Face's processor with Pillow makes of them. */
final class PillowBicubicGoldenTest {

    private static final Deadline TIME = new Deadline(Duration.ofMinutes(1));

    @Test
    void pixelValuesOfTheFixture() throws Exception {
        check("golden", "i-t", "wide.png");
        check("golden", "t-2i", "exact.png", "tiny.png");
        check("golden", "t-i", "square.png");
    }

    @Test
    void pixelValuesOfQwen3() throws Exception {
        check("golden-qwen3", "i-t", "wide.png");
        check("golden-qwen3", "t-2i", "exact.png", "tiny.png");
        check("golden-qwen3", "t-i", "square.png");
    }

    private static void check(String fixture, String name, String... files) throws Exception {
        List<Image> references = new ArrayList<>();
        for (String file : files) {
            references.add(new Image.Reference("file:" + file));
        }
        Content content = new Content(null, references);
        float[] expected = PromptGolden.tensor(fixture, name + "/pixel_values");
        int at = 0;
        CheckpointFiles checkpoint = CheckpointFiles.of("src/test/resources/" + fixture + "/checkpoint");
        ImageProcessorConfig preprocessor = ImageProcessorConfig.read(checkpoint);
        try (QwenEncoder encoder = QwenEncoder.open(PromptGolden.configOf(fixture))) {
            var segment = encoder.encodeCandidate(
                    PromptGolden.candidate(content), encoder.fetch(content).join());
            for (EncodedImage image : segment.images()) {
                at = checkPatches(name, image, preprocessor, expected, at);
            }
        }
        assertThat(at).isEqualTo(expected.length);
    }

    /** Rows of patches in groups of 2 × 2; in a row channel, doubled frame, line, column. */
    private static int checkPatches(
            String name, EncodedImage image, ImageProcessorConfig preprocessor, float[] expected, int start) {
        int patch = preprocessor.patchSize();
        ByteBuffer rgb = image.rgb();
        int at = start;
        int columns = image.width() / patch;
        for (int group = 0; group < image.height() / patch * columns; group++) {
            int block = group / 4;
            int row = block / (columns / 2) * 2 + group % 4 / 2;
            int column = block % (columns / 2) * 2 + group % 2;
            for (int channel = 0; channel < 3; channel++) {
                for (int i = 0; i < 2 * patch * patch; i++) {
                    int y = row * patch + i % (patch * patch) / patch;
                    int x = column * patch + i % patch;
                    int value = rgb.get((y * image.width() + x) * 3 + channel) & 0xff;
                    double mean = preprocessor.mean().get(channel);
                    double deviation = preprocessor.std().get(channel);
                    double normalised = (value / 255.0 - mean) / deviation;
                    double stored = expected[at] * deviation + mean;
                    assertThat(value)
                            .as("%s: row %d, column %d, channel %d", name, y, x, channel)
                            .isEqualTo((int) Math.rint(stored * 255));
                    assertThat((double) expected[at++]).isCloseTo(normalised, within(1e-6));
                }
            }
        }
        return at;
    }

    @Test
    void oneSizeStaysAsItIsAndOnePassIsSkippedWhereASideStays() throws Exception {
        RgbImage noise = noise(30, 20, 5);

        assertThat(PillowBicubic.resize(noise, 20, 30, TIME).data()).isEqualTo(noise.data());

        // resized in one direction, then the other, is the whole: rounding to 8 bits lies between the passes
        byte[] both = PillowBicubic.resize(noise, 56, 84, TIME).data();
        RgbImage wide = PillowBicubic.resize(noise, 20, 84, TIME);
        assertThat(PillowBicubic.resize(wide, 56, 84, TIME).data()).isEqualTo(both);
    }

    @Test
    void aPlainColourStaysPlain() throws Exception {
        byte[] data = new byte[3 * 61 * 47];
        for (int i = 0; i < data.length; i++) {
            data[i] = (byte) (i % 3 == 0 ? 255 : i % 3 == 1 ? 0 : 137);
        }
        byte[] resized =
                PillowBicubic.resize(new RgbImage(61, 47, data), 28, 84, TIME).data();
        for (int i = 0; i < resized.length; i++) {
            assertThat(resized[i]).isEqualTo(data[i % 3]);
        }
    }

    private static RgbImage noise(int width, int height, long seed) {
        byte[] data = new byte[3 * width * height];
        new Random(seed).nextBytes(data);
        return new RgbImage(width, height, data);
    }
}
