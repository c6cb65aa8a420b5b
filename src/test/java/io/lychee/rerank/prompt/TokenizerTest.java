package io.lychee.rerank.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.domain.Unicode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class TokenizerTest {

    private static final Tokenizer TOKENIZER =
            Tokenizer.open(PromptGolden.FOLDER.resolve("checkpoint").resolve("tokenizer.json"));

    @AfterAll
    static void close() {
        TOKENIZER.close();
    }

    @Test
    void controlTokensAreTextToUsers() {
        int pad = TOKENIZER.controlToken("<|image_pad|>");
        assertThat(TOKENIZER.encode("<|image_pad|>")).hasSizeGreaterThan(1).doesNotContain(pad);
        assertThat(TOKENIZER.controlTokens().values())
                .doesNotContainAnyElementsOf(IntStream.of(TOKENIZER.encode(
                                String.join("", TOKENIZER.controlTokens().keySet())))
                        .boxed()
                        .toList());
        assertThatThrownBy(() -> TOKENIZER.controlToken("<|none|>")).isInstanceOf(ConfigException.class);
    }

    @Test
    void halfSurrogatesAndNulCharactersAreText() {
        assertThat(TOKENIZER.encode("a\ud83eb")).isEqualTo(TOKENIZER.encode("a\ufffdb"));
        assertThat(TOKENIZER.encode("\udd7e")).isEqualTo(TOKENIZER.encode("\ufffd"));
        assertThat(TOKENIZER.encode("\ud83e\ud83e\udd7e")).isEqualTo(TOKENIZER.encode("\ufffd\ud83e\udd7e"));
        assertThat(TOKENIZER.encode("a\0b")).hasSize(3);
        assertThat(TOKENIZER.encode("🧥")).isNotEqualTo(TOKENIZER.encode("🧢"));
    }

    @Test
    void cutTextEncodesToTheFirstTokensOfTheWhole() {
        String text = "a blue denim jacket in vintage style, 🧥 适合小个子女生 ".repeat(40);
        int[] whole = TOKENIZER.encode(text);
        for (int limit : new int[] {1, 2, 7, 16, 17, 100, 500}) {
            Tokenizer.Cut cut = TOKENIZER.cut(text, limit);
            assertThat(cut.truncated()).isTrue();
            assertThat(text).startsWith(cut.text());
            int[] ids = TOKENIZER.encode(cut.text());
            assertThat(ids.length).isBetween(Math.max(0, limit - 4), limit);
            assertThat(ids).isEqualTo(Arrays.copyOf(whole, ids.length));
        }
        assertThat(TOKENIZER.cut(text, whole.length)).isEqualTo(new Tokenizer.Cut(text, false));
        assertThat(TOKENIZER.cut(text, whole.length - 1).truncated()).isTrue();
        assertThat(TOKENIZER.cut("", 1)).isEqualTo(new Tokenizer.Cut("", false));
    }

    @Test
    void cutTextFitsWhateverItHolds() {
        long seed = 7;
        Random random = new Random(seed);
        for (int round = 0; round < 300; round++) {
            String text = RandomText.next(random, 1 + random.nextInt(400));
            int limit = 1 + random.nextInt(60);
            Tokenizer.Cut cut = TOKENIZER.cut(text, limit);
            assertThat(TOKENIZER.encode(cut.text()).length)
                    .as("seed %d, round %d: %s", seed, round, text)
                    .isLessThanOrEqualTo(limit);
            assertThat(cut.truncated()).isEqualTo(TOKENIZER.encode(text).length > limit);
            assertThat(Unicode.wellFormed(text)).startsWith(Unicode.wellFormed(cut.text()));
        }
    }

    @Test
    void megabytesCostNoMoreThanTheirBeginning() {
        String text = "x".repeat(20_000_000);
        long start = System.nanoTime();
        assertThat(TOKENIZER.cut(text, 1024).truncated()).isTrue();
        assertThat(System.nanoTime() - start).as("nanoseconds").isLessThan(5_000_000_000L);
    }

    @Test
    void whatIsNoTokenizerIsRefused(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("tokenizer.json");
        assertThatThrownBy(() -> Tokenizer.open(file))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("model.checkpoint");
        for (String content : new String[] {"", "[]", "{}", "{\"model\":{\"type\":\"none\"}}"}) {
            Files.writeString(file, content);
            assertThatThrownBy(() -> Tokenizer.open(file))
                    .as(content)
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining(file.toString());
        }
        assertThatThrownBy(() -> TOKENIZER.single("yes no"))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("expected one");
    }
}
