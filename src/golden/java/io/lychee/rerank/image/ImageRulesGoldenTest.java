package io.lychee.rerank.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.Families;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.prompt.PromptGolden;
import io.lychee.rerank.scoring.EncodedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvFileSource;

/** Images of each kind that {@code image.rules} decides on, against what Pillow makes of them, bit for bit. */
final class ImageRulesGoldenTest {

    private static final String FOLDER = "src/test/resources/images/rules/";

    @ParameterizedTest
    @CsvFileSource(files = FOLDER + "expected.csv", numLinesToSkip = 1)
    void pixelsAreThoseOfThePipeline(String file, String rules, Integer height, Integer width, String sha256)
            throws Exception {
        RerankConfig config = PromptGolden.config("image.rules", rules, "image.max-pixels", "12544");
        CheckpointFiles checkpoint = CheckpointFiles.of(config.model().checkpoint());
        ImageEncoder encoder = new ImageEncoder(
                config.limits(), Families.of(checkpoint), ImageProcessorConfig.read(checkpoint), 1 << 20);
        byte[] data = Files.readAllBytes(Path.of(FOLDER, file));

        if (sha256.equals("rejected")) {
            assertThatThrownBy(() -> encoder.encode(data))
                    .hasMessageContaining("expected sides of at most 200 to 1")
                    .isInstanceOfSatisfying(
                            RejectedException.class, e -> assertThat(e.reason()).isEqualTo(Reason.IMAGE_TOO_LARGE));
            return;
        }
        EncodedImage image = encoder.encode(data);
        assertThat(List.of(image.height(), image.width())).isEqualTo(List.of(height, width));
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        digest.update(image.rgb());
        assertThat(HexFormat.of().formatHex(digest.digest())).isEqualTo(sha256);
    }
}
