package io.lychee.rerank.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.RejectedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextCleanerTest {

    private static final Image PICTURE = new Image.Bytes(new byte[] {1});

    @TempDir
    private Path folder;

    private Path names;

    @BeforeEach
    void writeNames() throws Exception {
        names = Files.writeString(folder.resolve("names.txt"), """
                iPhone # Pro Max
                iPhone #
                iPhone
                iPhone 4S
                Galaxy S#
                Coca-Cola
                AT&T

                小米 # Ultra
                YouTube
                """);
    }

    @Test
    void spacesBrands() {
        TextCleaner preparation = preparation(false, names.toString(), "");
        Map.of(
                        "iPhone15pro max", "iPhone 15 Pro Max",
                        "IPHONE 15   PROMAX case", "iPhone 15 Pro Max case",
                        "苹果iphone15pro max手机壳", "苹果iPhone 15 Pro Max手机壳",
                        "iphone-4s, iphone 4", "iPhone 4S, iPhone 4",
                        "galaxys24 or GALAXY s 9", "Galaxy S24 or Galaxy S9",
                        "coca cola, at&t, att", "Coca-Cola, at&t, AT&T",
                        "小米14ultra", "小米 14 Ultra",
                        "you tube and youtuber", "YouTube and youtuber",
                        "myiphone iphones", "myiphone iphones",
                        "no name, 15 pro", "no name, 15 pro")
                .forEach((raw, expected) -> assertThat(query(preparation, raw)).isEqualTo(expected));
    }

    @Test
    void normalizesWidth() {
        TextCleaner preparation = preparation(true, "", "");
        assertThat(query(preparation, "ｉＰｈｏｎｅ　１５ ﬁlter e\u0301 ｶﾞ ①")).isEqualTo("iPhone 15 filter é ガ 1");
        assertThat(query(preparation(true, names.toString(), ""), "ｉＰｈｏｎｅ１５")).isEqualTo("iPhone 15");
    }

    @Test
    void joinsAttributes() {
        TextCleaner preparation = preparation(false, "", "{text} | {brand} | colour: {colour} {shade} | new");
        Map<String, String> all = Map.of("brand", "Acme $1", "colour", "red", "shade", "dark", "sales", "9");

        assertThat(text(preparation, "coat", all)).isEqualTo("coat | Acme $1 | colour: red dark | new");
        assertThat(text(preparation, null, Map.of("brand", "Acme"))).isEqualTo("Acme | new");
        assertThat(text(preparation, "a {brand}", Map.of("colour", "red"))).isEqualTo("a {brand} | new");
        assertThat(text(preparation(false, "", "{brand}"), " ", Map.of())).isNull();
    }

    @Test
    void nothingButTextsChanges() {
        TextCleaner preparation = preparation(true, names.toString(), "{text} | {brand}");

        assertThat(preparation.prepare(new Content("ＡＢ", List.of(PICTURE))))
                .isEqualTo(new Content("AB", List.of(PICTURE)));
        assertThat(preparation.prepare(candidate("iphone5", Map.of("brand", "ﬁ"))))
                .isEqualTo(new Content("iPhone 5 | fi", List.of(PICTURE)));
    }

    @Test
    void offChangesNothingAndTwiceIsOnce() {
        long seed = new Random().nextLong();
        Random random = new Random(seed);
        TextCleaner off = preparation(false, "", "");
        TextCleaner on = preparation(true, names.toString(), "");
        List<String> pieces = new ArrayList<>(List.of("iphone", "15", "PRO", "max", "-", "小米", "ultra", "galaxy", "s"));
        for (int i = 0; i < 2000; i++) {
            String text = RandomText.next(random, 5)
                    + pieces.get(random.nextInt(pieces.size()))
                    + (random.nextBoolean() ? " " : "")
                    + pieces.get(random.nextInt(pieces.size()))
                    + RandomText.next(random, 5);
            Candidate candidate = candidate(text, Map.of("brand", "x"));
            assertThat(off.prepare(candidate)).as("seed %d", seed).isSameAs(candidate.content());
            String once = query(on, text);
            assertThat(query(on, once)).as("seed %d", seed).isEqualTo(once);
        }
    }

    @Test
    void longTextsCostNoMoreThanTheirBeginning() {
        String start = "iphone5 " + "\ufdfa".repeat(TextCleaner.MAX_CHARS);
        String prepared = query(preparation(true, names.toString(), ""), start + "iphone5".repeat(1_000_000));
        assertThat(prepared).startsWith("iPhone 5 ").endsWith("iphone5iphone5").hasSizeLessThan(10_000_000);
    }

    @Test
    void isPartOfTheEncoder() throws RejectedException {
        Candidate wide = PromptGolden.candidate(new Content("Ｂ", List.of()));
        Candidate plain = PromptGolden.candidate(new Content("B", List.of()));
        for (boolean normalize : List.of(true, false)) {
            try (QwenEncoder encoder =
                    QwenEncoder.open(PromptGolden.config("text.normalize", String.valueOf(normalize)))) {
                assertThat(Arrays.equals(
                                encoder.encodePrefix(null, wide.content(), List.of())
                                        .tokens(),
                                encoder.encodePrefix(null, plain.content(), List.of())
                                        .tokens()))
                        .isEqualTo(normalize);
                assertThat(Arrays.equals(
                                encoder.encodeCandidate(wide, List.of()).tokens(),
                                encoder.encodeCandidate(plain, List.of()).tokens()))
                        .isEqualTo(normalize);
            }
        }
    }

    @Test
    void aFileThatIsNoneIsRefused() throws Exception {
        assertThatThrownBy(() -> preparation(false, folder.resolve("none").toString(), ""))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("text.spellings")
                .hasMessageContaining("none");
        for (String line : List.of("?!", "a ".repeat(13))) {
            Files.writeString(names, line);
            assertThatThrownBy(() -> preparation(false, names.toString(), ""))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining(line.strip())
                    .hasMessageContaining("1 to 12");
        }
        Files.write(names, new byte[] {(byte) 0xff});
        assertThatThrownBy(() -> preparation(false, names.toString(), "")).hasMessageContaining("UTF-8");
    }

    private static TextCleaner preparation(boolean normalize, String spellings, String template) {
        return TextCleaner.of(new RerankConfig.Preparation(normalize, spellings, template));
    }

    private static String query(TextCleaner preparation, String text) {
        return preparation.prepare(new Content(text, List.of(PICTURE))).text();
    }

    private static String text(TextCleaner preparation, String text, Map<String, String> attributes) {
        return preparation.prepare(candidate(text, attributes)).text();
    }

    private static Candidate candidate(String text, Map<String, String> attributes) {
        return new Candidate("a", new Content(text, List.of(PICTURE)), 2.5, attributes, 1);
    }
}
