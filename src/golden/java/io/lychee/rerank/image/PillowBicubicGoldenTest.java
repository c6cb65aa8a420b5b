package io.lychee.rerank.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

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
    private static final int PATCH = 14;
    private static final double[] MEAN = {0.48145466, 0.4578275, 0.40821073};
    private static final double[] DEVIATION = {0.26862954, 0.26130258, 0.27577711};

    @Test
    void pixelValuesOfTheFixture() throws Exception {
        check("i-t", "wide.png");
        check("t-2i", "exact.png", "tiny.png");
        check("t-i", "square.png");
    }

    private static void check(String name, String... files) throws Exception {
        List<Image> references = new ArrayList<>();
        for (String file : files) {
            references.add(new Image.Reference("file:" + file));
        }
        Content content = new Content(null, references);
        float[] expected = PromptGolden.tensor(name + "/pixel_values");
        int at = 0;
        try (QwenEncoder encoder = QwenEncoder.open(PromptGolden.config())) {
            var segment = encoder.encodeCandidate(
                    PromptGolden.candidate(content), encoder.fetch(content).join());
            for (EncodedImage image : segment.images()) {
                at = checkPatches(name, image, expected, at);
            }
        }
        assertThat(at).isEqualTo(expected.length);
    }

    /** Rows of patches in groups of 2 × 2; in a row channel, doubled frame, line, column. */
    private static int checkPatches(String name, EncodedImage image, float[] expected, int start) {
        ByteBuffer rgb = image.rgb();
        int at = start;
        int columns = image.width() / PATCH;
        for (int group = 0; group < image.height() / PATCH * columns; group++) {
            int block = group / 4;
            int row = block / (columns / 2) * 2 + group % 4 / 2;
            int column = block % (columns / 2) * 2 + group % 2;
            for (int channel = 0; channel < 3; channel++) {
                for (int i = 0; i < 2 * PATCH * PATCH; i++) {
                    int y = row * PATCH + i % (PATCH * PATCH) / PATCH;
                    int x = column * PATCH + i % PATCH;
                    int value = rgb.get((y * image.width() + x) * 3 + channel) & 0xff;
                    double normalised = (value / 255.0 - MEAN[channel]) / DEVIATION[channel];
                    double stored = expected[at] * DEVIATION[channel] + MEAN[channel];
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
