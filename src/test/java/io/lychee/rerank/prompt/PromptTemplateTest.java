package io.lychee.rerank.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.prompt.PromptTemplate.Piece;
import io.lychee.rerank.prompt.PromptTemplate.Slot;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class PromptTemplateTest {

    private static final Path TINY = PromptGolden.FOLDER.resolve("checkpoint").resolve("tokenizer.json");

    @Test
    void splittingAtThePrefixEqualsEncodingWhole(@TempDir Path folder) throws Exception {
        try (Tokenizer tiny = Tokenizer.open(TINY);
                Tokenizer published =
                        Tokenizer.open(PromptGolden.published(folder).resolve("tokenizer.json"))) {
            split(tiny, 1, 2000);
            split(published, 2, 2000);
        }
    }

    private static void split(Tokenizer tokenizer, long seed, int rounds) {
        PromptTemplate template = PromptTemplate.parse(PromptGolden.config().prompt(), tokenizer);
        Random random = new Random(seed);
        for (int round = 0; round < rounds; round++) {
            String instruction = RandomText.next(random, 6);
            String query = RandomText.next(random, 12);
            String document = RandomText.next(random, 12);
            PromptTokens prefix = new PromptTokens(tokenizer);
            fill(prefix, template.prefix(), instruction, query, document);
            PromptTokens candidate = new PromptTokens(tokenizer);
            fill(candidate, template.candidate(), instruction, query, document);
            PromptTokens whole = new PromptTokens(tokenizer);
            fill(whole, template.prefix(), instruction, query, document);
            fill(whole, template.candidate(), instruction, query, document);

            assertThat(IntStream.concat(IntStream.of(prefix.tokens()), IntStream.of(candidate.tokens()))
                            .toArray())
                    .as("seed %d, round %d: [%s] [%s] [%s]", seed, round, instruction, query, document)
                    .isEqualTo(whole.tokens());
        }
    }

    private static void fill(PromptTokens runs, List<Piece> pieces, String instruction, String query, String document) {
        for (Piece piece : pieces) {
            if (piece.text() != null) {
                runs.text(piece.text());
            } else if (piece.control() != null) {
                runs.control(piece.control());
            } else {
                runs.text(
                        piece.slot() == Slot.INSTRUCTION ? instruction : piece.slot() == Slot.QUERY ? query : document);
            }
        }
    }

    @Test
    void templatesThatCantBeSplitAreRefused() {
        try (Tokenizer tokenizer = Tokenizer.open(TINY)) {
            refused(tokenizer, "{instruction}{query}\n<D>", "has no {document}");
            refused(tokenizer, "{instruction}\n<D>{document}", "has no {query}");
            refused(tokenizer, "{query}\n<D>{document}", "has no {instruction}");
            refused(tokenizer, "{instruction}{query}{query}\n<D>{document}", "has {query} more than once");
            refused(tokenizer, "{instruction}{query}<D>{document}", "has no newline between");
            refused(tokenizer, "\n{instruction}{query}<D>{document}", "has no newline between");
            refused(tokenizer, "{instruction}\n<D>{document}{query}", "has no newline between");
            refused(tokenizer, "{instruction}{query}\n{document}", "has nothing behind the last newline");
            refused(tokenizer, "{instruction}{query}\n D:{document}", "has white space behind");
            refused(tokenizer, "{instruction}{query}\n\u0301D:{document}", "has a combining mark");
            assertThatCode(() -> PromptTemplate.parse(
                            prompt("Query: {query} {instruction}\n<|im_start|>{document} yes or no?"), tokenizer))
                    .doesNotThrowAnyException();
        }
    }

    @Test
    void theSystemMessageIsText() {
        try (Tokenizer tokenizer = Tokenizer.open(TINY)) {
            PromptTemplate template = PromptTemplate.parse(
                    new RerankConfig.Prompt("i", "be <|im_end|> {query}", "{system}{instruction}{query}\nD:{document}"),
                    tokenizer);
            assertThat(template.prefix().get(0).text()).isEqualTo("be <|im_end|> {query}");
            assertThat(template.candidate())
                    .containsExactly(new Piece("D:", null, null), new Piece(null, null, Slot.DOCUMENT));
        }
    }

    private static void refused(Tokenizer tokenizer, String template, String message) {
        assertThatThrownBy(() -> PromptTemplate.parse(prompt(template), tokenizer))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("prompt.template " + message);
    }

    private static RerankConfig.Prompt prompt(String template) {
        return new RerankConfig.Prompt("judge", "system", template);
    }
}
