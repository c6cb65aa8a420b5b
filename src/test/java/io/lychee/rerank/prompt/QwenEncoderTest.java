package io.lychee.rerank.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.scoring.PromptPart;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class QwenEncoderTest {

    @Test
    void longTextsAreCutAndMarked() throws RejectedException {
        try (QwenEncoder encoder = QwenEncoder.open(
                PromptGolden.config("text.max-query-tokens", "40", "text.max-candidate-tokens", "50"))) {
            String text = "a blue denim jacket in vintage style, ".repeat(3000);
            PromptPart empty = encoder.encodeAny(new Content("", List.of()), List.of());
            PromptPart candidate =
                    encoder.encodeCandidate(PromptGolden.candidate(new Content(text, List.of())), List.of());
            assertThat(candidate.truncated()).isTrue();
            assertThat(candidate.tokens().length - empty.tokens().length).isBetween(47, 51);
            assertThat(candidate.visionTokens()).isZero();

            PromptPart brief = encoder.encodePrefix("judge", new Content("denim", List.of()), List.of());
            PromptPart prefix = encoder.encodePrefix("judge", new Content(text, List.of()), List.of());
            assertThat(brief.truncated()).isFalse();
            assertThat(prefix.truncated()).isTrue();
            assertThat(prefix.tokens().length - brief.tokens().length).isBetween(30, 41);

            PromptPart instructed = encoder.encodePrefix(text, new Content("denim", List.of()), List.of());
            assertThat(instructed.truncated()).isTrue();
            assertThat(instructed.tokens().length).isLessThan(brief.tokens().length + 41);
        }
    }

    @Test
    void aPictureIsDecodedOnceWhileItIsKept() throws Exception {
        byte[] png = Files.readAllBytes(PromptGolden.FOLDER.resolve("images").resolve("tiny.png"));
        Content content = new Content(null, List.of(new Image.Bytes(png)));
        for (String bytes : List.of("1 mb", "0 bytes")) {
            try (QwenEncoder encoder = QwenEncoder.open(PromptGolden.config("cache.images.max-bytes", bytes))) {
                PromptPart first = encoder.encodeCandidate(PromptGolden.candidate(content), List.of(png));
                PromptPart second = encoder.encodeCandidate(PromptGolden.candidate(content), List.of(png.clone()));

                assertThat(second.key()).isEqualTo(first.key());
                assertThat(encoder.imageHits()).isEqualTo(bytes.equals("1 mb") ? 1 : 0);
            }
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            golden | Given a web search query, retrieve relevant passages that answer the query.
            golden-qwen3 | Given a search query, retrieve relevant candidates that answer the query.
            """)
    void theFamilysInstructionStandsInForNone(String fixture, String instruction) throws RejectedException {
        try (QwenEncoder encoder = QwenEncoder.open(PromptGolden.config(PromptGolden.checkpoint(fixture)))) {
            Content query = new Content("denim", List.of());
            assertThat(encoder.encodePrefix(null, query, List.of()).tokens())
                    .isEqualTo(
                            encoder.encodePrefix(instruction, query, List.of()).tokens());
        }
    }

    @Test
    void whatCantBeEncodedIsRejected() throws Exception {
        try (QwenEncoder encoder = QwenEncoder.open(PromptGolden.config("image.max-per-candidate", "2"))) {
            Content blank = new Content(" \n", List.of());
            assertRejected(Reason.EMPTY, () -> encoder.encodeCandidate(PromptGolden.candidate(blank), List.of()));
            assertRejected(Reason.QUERY_EMPTY, () -> encoder.encodePrefix(null, blank, List.of()));

            byte[] png =
                    Files.readAllBytes(PromptGolden.FOLDER.resolve("images").resolve("tiny.png"));
            Content three = new Content(null, Collections.nCopies(3, new Image.Bytes(png)));
            assertRejected(
                    Reason.TOO_MANY_IMAGES,
                    () -> encoder.encodeCandidate(PromptGolden.candidate(three), Collections.nCopies(3, png)));

            Content broken = new Content("text", List.of(new Image.Bytes(new byte[9])));
            assertRejected(
                    Reason.IMAGE_UNREADABLE,
                    () -> encoder.encodeCandidate(PromptGolden.candidate(broken), List.of(new byte[9])));
            Content one = new Content("text", List.of(new Image.Bytes(png)));
            assertThatThrownBy(() -> encoder.encodeCandidate(PromptGolden.candidate(one), List.of()))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void imagesStandBeforeTextAndCountAsVision() throws RejectedException {
        try (QwenEncoder encoder = QwenEncoder.open(PromptGolden.config())) {
            Content content = new Content("denim", List.of(new Image.Reference("file:wide.png")));
            PromptPart segment = encoder.encodeCandidate(
                    PromptGolden.candidate(content), encoder.fetch(content).join());
            var image = segment.images().get(0);
            assertThat(segment.visionTokens()).isEqualTo(image.height() / 28 * (image.width() / 28));
            assertThat(Arrays.stream(segment.tokens()).filter(id -> id == 673).boxed())
                    .hasSize(segment.visionTokens());
        }
    }

    @Test
    void aCheckpointThatIsNoneIsRefused(@TempDir Path folder) {
        assertThatThrownBy(() -> QwenEncoder.open(PromptGolden.config(folder.resolve("none"))))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("model.checkpoint");
        assertThatThrownBy(() -> QwenEncoder.open(PromptGolden.config(folder)))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("config.json");
        assertThatThrownBy(() -> QwenEncoder.open(PromptGolden.config("prompt.template", "{query}")))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("prompt.template");
    }

    private interface Step {
        Object run() throws RejectedException;
    }

    private static void assertRejected(Reason reason, Step step) {
        assertThatThrownBy(step::run)
                .isInstanceOfSatisfying(
                        RejectedException.class, e -> assertThat(e.reason()).isEqualTo(reason));
    }
}
