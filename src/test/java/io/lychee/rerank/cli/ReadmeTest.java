package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNoException;

import io.lychee.rerank.bench.BenchCommand;
import io.lychee.rerank.config.RerankConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

/** Holds README.md and docs/*.md to what there is; {@link NewUserTest} types the README's lines. */
class ReadmeTest {

    private static final Pattern LINK = Pattern.compile("]\\(([^):#]+)\\)");
    private static final Pattern COMMAND = Pattern.compile("\\./lychee [^`#\n]+");
    private static final Pattern OPTION = Pattern.compile("(?<=[ \\[])--[a-z-]+");
    private static final Pattern SET_KEY = Pattern.compile("-D ([a-z.-]+)=([^\\s`]+)");
    private static final Pattern NAMED_KEY =
            Pattern.compile("`((?:backfill|cache|encode|engine|fetch|files|gateway|image"
                    + "|job|kafka|list|metrics|model|pass|prompt|realtime|text)\\.[a-z.-]+)(?:=[^`]*)?`");
    private static final Pattern TEST = Pattern.compile("-D(?:it\\.)?test=(\\w+)");
    private static final int MAX_WORDS = 2_000;

    static List<Path> pages() throws IOException {
        try (Stream<Path> docs = Files.list(Path.of("docs"))) {
            return Stream.concat(
                            Stream.of(Path.of("README.md")),
                            docs.filter(page -> page.toString().endsWith(".md")).sorted())
                    .toList();
        }
    }

    @ParameterizedTest
    @MethodSource("pages")
    void linksAndPicturesAreThere(Path page) throws IOException {
        assertThat(found(page, LINK))
                .allSatisfy(link -> assertThat(
                                Path.of("").toAbsolutePath().resolve(page).resolveSibling(link.group(1)))
                        .exists());
    }

    @ParameterizedTest
    @MethodSource("pages")
    void commandsTakeTheirOptions(Path page) throws IOException {
        assertThat(found(page, COMMAND).map(MatchResult::group)).allSatisfy(command -> {
            CommandLine spec = new CommandLine(new Main()).addSubcommand(new BenchCommand());
            for (String word : command.split(" ", -1)) {
                spec = spec.getSubcommands().getOrDefault(word, spec);
            }
            assertThat(spec.getCommandName()).as(command).isNotEqualTo("lychee");
            assertThat(spec.getCommandSpec().optionsMap().keySet())
                    .as(command)
                    .containsAll(OPTION.matcher(command)
                            .results()
                            .map(MatchResult::group)
                            .toList());
        });
    }

    @ParameterizedTest
    @MethodSource("pages")
    void keysExist(Path page) throws IOException {
        String all = Files.readString(Path.of("conf/rerank.properties"));
        assertThat(found(page, NAMED_KEY))
                .allSatisfy(key -> assertThat(all).containsPattern("(?m)^#?" + Pattern.quote(key.group(1))));
        assertThat(found(page, SET_KEY).filter(key -> !key.group(1).startsWith("lychee.")))
                .allSatisfy(key -> assertThatNoException()
                        .isThrownBy(
                                () -> RerankConfig.of(Map.of("model.checkpoint", "none", key.group(1), key.group(2)))));
    }

    @ParameterizedTest
    @MethodSource("pages")
    void testsExist(Path page) throws IOException {
        try (Stream<Path> files = Files.walk(Path.of("src"))) {
            List<String> names =
                    files.map(file -> file.getFileName().toString()).toList();
            assertThat(found(page, TEST).map(test -> test.group(1)).filter(test -> !test.equals("none")))
                    .allSatisfy(test -> assertThat(names).contains(test + ".java"));
        }
    }

    @Test
    void theReadmeIsShortAndHasWhatIsChecked() throws IOException {
        Path readme = Path.of("README.md");
        assertThat(Files.readString(readme).split("\\s+")).hasSizeLessThanOrEqualTo(MAX_WORDS);
        assertThat(Stream.of(LINK, COMMAND, SET_KEY, NAMED_KEY))
                .allSatisfy(pattern -> assertThat(found(readme, pattern)).isNotEmpty());
    }

    private static Stream<MatchResult> found(Path page, Pattern pattern) throws IOException {
        return pattern.matcher(Files.readString(page)).results();
    }
}
