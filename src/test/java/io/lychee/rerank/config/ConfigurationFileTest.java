package io.lychee.rerank.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Holds conf/rerank.properties to the declared options: every key, in their order, with its default. */
class ConfigurationFileTest {

    private static final Path FILE = Path.of("conf/rerank.properties");

    @Test
    void listsEveryKeyWithItsDefault() throws Exception {
        String expected =
                header() + options().stream().map(ConfigurationFileTest::entry).collect(Collectors.joining("\n"));
        Path written = Files.writeString(Path.of("target/rerank.properties"), expected);

        assertThat(Files.readString(FILE))
                .as("%s differs from the declared options, written to %s", FILE, written)
                .isEqualTo(expected);
    }

    @Test
    void thePageOnSqlListsItsOwnOptions() throws Exception {
        Path page = Path.of("docs/sql.md");
        String begin = "<!-- written from SqlConfig -->\n| option | default | |\n|---|---|---|\n";
        String text = Files.readString(page);
        String expected = text.substring(0, text.indexOf(begin) + begin.length())
                + ConfigBinder.options(SqlConfig.class).stream()
                        .filter(option ->
                                options().stream().noneMatch(of -> of.key().equals(option.key())))
                        .filter(option -> !option.isPrefix())
                        .map(option ->
                                "| `%s` | %s | %s |\n".formatted(option.key(), option.defaultValue(), option.doc()))
                        .collect(Collectors.joining())
                + text.substring(text.indexOf("<!-- end -->"));

        assertThat(text).isEqualTo(expected);
    }

    @Test
    void isReadAsItStands() {
        RerankConfig config = RerankConfig.of(RerankConfig.merge(FILE, Map.of(), Map.of()));

        assertThat(config.model().checkpoint()).isEqualTo("demo/checkpoint");
        assertThat(config.prompt().template()).startsWith("<|im_start|>system\n{system}<|im_end|>\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"near-real-time", "backfill"})
    void presetsSetWhatDiffersAndSayWhy(String preset) throws Exception {
        Path file = Path.of("conf", preset + ".properties");
        Properties set = new Properties();
        set.load(new StringReader(Files.readString(file)));
        Map<String, String> base = Map.of("model.checkpoint", "demo/checkpoint");

        assertThat(set).isNotEmpty();
        for (String key : set.stringPropertyNames()) {
            Map<String, String> one = new HashMap<>(base);
            one.put(key, set.getProperty(key));
            assertThat(RerankConfig.of(one)).as(key).isNotEqualTo(RerankConfig.of(base));
        }
        assertThat(RerankConfig.of(RerankConfig.merge(file, base, Map.of()))).isNotNull();
        assertThat(Files.readString(file).split("\n\n")).allMatch(block -> block.startsWith("# "));
    }

    @Test
    void whatIsPrintedAtTheStartHoldsNoSecret() {
        String printed = RerankConfig.describe(Map.of(
                "kafka.properties.sasl.jaas.config", "user and secret words",
                "kafka.properties.ssl.key.password", "secret words",
                "kafka.properties.ssl.keystore.key", "secret words",
                "pass.max-tokens", "4096"));

        assertThat(printed).contains("\n  pass.max-tokens=4096").doesNotContain("secret words");
    }

    private static List<Option> options() {
        return ConfigBinder.options(RerankConfig.class).stream()
                .filter(option -> !option.isPrefix())
                .toList();
    }

    private static String header() {
        return """
            # Every key of lychee-rerank with its default; lines that are commented out show defaults.
            # kafka.properties.NAME sets NAME of the Kafka clients, flink.NAME sets NAME of the embedded Flink.
            # Unknown keys are refused.

            """;
    }

    private static String entry(Option option) {
        String value = option.defaultValue();
        String line = option.key() + "=" + escape(value == null ? "demo/checkpoint" : value);
        return wrap(option) + (value == null ? "" : "#") + line + "\n";
    }

    private static String escape(String value) {
        return value.replace("\\", "\\\\").replace("\n", "\\n");
    }

    private static String wrap(Option option) {
        String description = option.doc();
        StringBuilder lines = new StringBuilder();
        StringBuilder line = new StringBuilder("#");
        for (String word : description.split(" ", -1)) {
            if (line.length() + 1 + word.length() > 110) {
                lines.append(line).append('\n');
                line = new StringBuilder("#");
            }
            line.append(' ').append(word);
        }
        return lines.append(line).append('\n').toString();
    }

    @Test
    void everyDefaultSurvivesBeingWrittenOut() throws Exception {
        Properties commented = new Properties();
        commented.load(new StringReader(Files.readString(FILE)
                .lines()
                .map(l -> l.replaceFirst("^#(?=[a-z])", ""))
                .collect(Collectors.joining("\n"))));
        Map<String, String> values = new HashMap<>();
        commented.stringPropertyNames().forEach(n -> values.put(n, commented.getProperty(n)));

        assertThat(RerankConfig.of(values)).isEqualTo(RerankConfig.of(Map.of("model.checkpoint", "demo/checkpoint")));
        assertThat(values.keySet())
                .containsExactlyInAnyOrderElementsOf(
                        options().stream().map(Option::key).toList());
    }
}
