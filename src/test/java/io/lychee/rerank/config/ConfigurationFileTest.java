package io.lychee.rerank.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.util.TimeUtils;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** conf/rerank.properties is what the options say: every key, in their order, with its default. */
class ConfigurationFileTest {

    private static final Path FILE = Path.of("conf/rerank.properties");

    @Test
    void listsEveryKeyWithItsDefault() throws Exception {
        String expected = header()
                + RerankOptions.all().stream().map(ConfigurationFileTest::entry).collect(Collectors.joining("\n"));
        Path written = Files.writeString(Path.of("target/rerank.properties"), expected);

        assertThat(Files.readString(FILE))
                .as("%s; what it should be lies in %s", FILE, written)
                .isEqualTo(expected);
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

    private static String header() {
        return """
                # Every key of lychee-rerank with its default. Lines that are commented out say what holds anyway.
                # kafka.properties.NAME is handed to the Kafka clients as NAME, flink.NAME to the embedded Flink.
                # Unknown keys are refused.

                """;
    }

    private static String entry(ConfigOption<?> option) {
        String value = option.hasDefaultValue() ? text(option.defaultValue()) : "demo/checkpoint";
        String line = option.key() + "=" + escape(value);
        return wrap(option) + (option.hasDefaultValue() ? "#" : "") + line + "\n";
    }

    private static String text(Object value) {
        if (value instanceof Duration duration) {
            return TimeUtils.formatWithHighestUnit(duration);
        }
        if (value instanceof MemorySize size) {
            return size.toString();
        }
        if (value instanceof List<?> list) {
            return list.stream().map(String::valueOf).collect(Collectors.joining(";"));
        }
        return value instanceof Enum<?> e ? e.toString().toLowerCase(java.util.Locale.ROOT) : String.valueOf(value);
    }

    private static String escape(String value) {
        return value.replace("\\", "\\\\").replace("\n", "\\n");
    }

    private static String wrap(ConfigOption<?> option) {
        String description = RerankOptions.describe(option);
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
                        RerankOptions.all().stream().map(ConfigOption::key).toList());
    }
}
