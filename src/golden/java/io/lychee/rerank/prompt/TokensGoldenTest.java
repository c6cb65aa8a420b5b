package io.lychee.rerank.prompt;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.scoring.PromptPart;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Prompts become the ids that Hugging Face's tokenizer and processor make of them. */
final class TokensGoldenTest {

    @ParameterizedTest
    @CsvSource({"golden,14,10", "golden-qwen3,16,8"})
    void theTinyCheckpointsCases(String fixture, int patch, int cases) throws Exception {
        JsonNode golden = PromptGolden.json(PromptGolden.folder(fixture).resolve("cases.json"));
        try (QwenEncoder encoder = QwenEncoder.open(PromptGolden.configOf(fixture))) {
            assertThat(encoder.yesId()).isEqualTo(golden.get("yes_id").asInt());
            assertThat(encoder.noId()).isEqualTo(golden.get("no_id").asInt());
            assertThat(golden.get("cases")).hasSize(cases);
            for (JsonNode one : golden.get("cases")) {
                Content query = PromptGolden.content(one.get("query"));
                Content document = PromptGolden.content(one.get("document"));
                PromptPart prefix = encoder.encodePrefix(
                        one.get("instruction").asText(),
                        query,
                        encoder.fetch(query).join());
                PromptPart candidate = encoder.encodeCandidate(
                        PromptGolden.candidate(document),
                        encoder.fetch(document).join());

                assertThat(joined(prefix, candidate))
                        .as(one.get("name").asText())
                        .isEqualTo(PromptGolden.ids(one.get("input_ids")));
                assertThat(prefix.truncated() || candidate.truncated()).isFalse();
                checkImages(one.get("image_grid_thw"), patch, prefix, candidate);
            }
        }
    }

    private static void checkImages(JsonNode grids, int patch, PromptPart prefix, PromptPart candidate) {
        var images = IntStream.range(0, 2)
                .mapToObj(i -> (i == 0 ? prefix : candidate).images())
                .flatMap(List::stream);
        List<String> found = images.map(i -> "[1,%d,%d]".formatted(i.height() / patch, i.width() / patch))
                .toList();
        assertThat(found)
                .isEqualTo(
                        grids.isNull()
                                ? List.of()
                                : grids.valueStream().map(JsonNode::toString).toList());
    }

    @Test
    void thePublishedTokenizersCases(@TempDir Path folder) throws Exception {
        JsonNode golden = PromptGolden.json(PromptGolden.FOLDER.resolve("qwen/tokens.json"));
        try (QwenEncoder encoder = QwenEncoder.open(PromptGolden.config(PromptGolden.published(folder)))) {
            assertThat(encoder.yesId()).isEqualTo(9693);
            assertThat(encoder.noId()).isEqualTo(2152);
            Content image = new Content(null, List.of(new Image.Reference("file:tiny.png")));
            PromptPart picture = encoder.encodeCandidate(
                    PromptGolden.candidate(image), encoder.fetch(image).join());
            assertThat(IntStream.of(picture.tokens()).filter(id -> id == 151655).boxed())
                    .hasSize(picture.visionTokens());
            assertThat(golden.get("cases")).hasSize(60);
            for (JsonNode one : golden.get("cases")) {
                PromptPart prefix = encoder.encodePrefix(
                        one.get("instruction").asText(), text(one.get("query").asText()), List.of());
                PromptPart candidate =
                        encoder.encodeAny(text(one.get("document").asText()), List.of());

                assertThat(joined(prefix, candidate))
                        .as(one.toString())
                        .isEqualTo(PromptGolden.ids(one.get("input_ids")));
            }
        }
    }

    private static Content text(String text) {
        return new Content(text, List.of());
    }

    private static int[] joined(PromptPart prefix, PromptPart candidate) {
        return IntStream.concat(IntStream.of(prefix.tokens()), IntStream.of(candidate.tokens()))
                .toArray();
    }
}
