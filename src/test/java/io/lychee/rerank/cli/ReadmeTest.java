package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNoException;

import io.lychee.rerank.bench.BenchCommand;
import io.lychee.rerank.config.RerankConfig;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** README.md names only what there is; {@link NewUserTest} does what it says. */
class ReadmeTest {

    private static final Pattern LINK = Pattern.compile("]\\(([^):#]+)\\)");
    private static final Pattern COMMAND = Pattern.compile("\\./lychee [^`#\n]+");
    private static final Pattern OPTION = Pattern.compile("(?<=[ \\[])--[a-z-]+");
    private static final Pattern KEY = Pattern.compile("-D ([a-z.-]+)=([^\\s`]+)");

    private final Readme readme;

    ReadmeTest() throws Exception {
        readme = Readme.of(Path.of(""));
    }

    @Test
    void linksAndPicturesAreThere() {
        assertThat(found(LINK))
                .isNotEmpty()
                .allSatisfy(link -> assertThat(Path.of(link.group(1))).exists());
    }

    @Test
    void commandsTakeTheirOptions() {
        List<String> commands = found(COMMAND).map(MatchResult::group).toList();
        assertThat(commands).isNotEmpty().allSatisfy(command -> {
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

    @Test
    void keysOnCommandLinesExist() {
        assertThat(found(KEY).filter(key -> !key.group(1).startsWith("lychee.")))
                .isNotEmpty()
                .allSatisfy(key -> assertThatNoException()
                        .isThrownBy(
                                () -> RerankConfig.of(Map.of("model.checkpoint", "none", key.group(1), key.group(2)))));
    }

    private Stream<MatchResult> found(Pattern pattern) {
        return pattern.matcher(readme.text()).results();
    }
}
