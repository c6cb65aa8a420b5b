package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Only a regular file, or nothing yet, is an output; and no path to an input is. */
class OutputFilesTest {

    private static final RerankConfig CONFIG = RerankConfig.of(Map.of("model.checkpoint", "none"));

    @TempDir
    private Path folder;

    private Path lists;

    /** An input and ways to it that spell it otherwise. */
    @BeforeEach
    void createPaths() throws Exception {
        folder = folder.toRealPath();
        lists = Files.createDirectories(folder.resolve("lists/sub")).getParent();
        Files.writeString(lists.resolve("in.jsonl"), "{}\n");
        Files.createLink(folder.resolve("hard.jsonl"), lists.resolve("in.jsonl"));
        Files.createSymbolicLink(folder.resolve("other"), lists);
        Files.createSymbolicLink(folder.resolve("deep"), lists.resolve("sub"));
        Files.createSymbolicLink(folder.resolve("link.jsonl"), lists.resolve("in.jsonl"));
        Files.createSymbolicLink(folder.resolve("dangling.jsonl"), folder.resolve("nothing.jsonl"));
        Files.createSymbolicLink(folder.resolve("loop.jsonl"), folder.resolve("loop.jsonl"));
        assertThat(new ProcessBuilder("mkfifo", folder.resolve("fifo").toString())
                        .start()
                        .waitFor())
                .isZero();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            link.jsonl     | is a symbolic link; name the file itself (--output)
            dangling.jsonl | is a symbolic link
            loop.jsonl     | is a symbolic link
            fifo           | is a device, pipe or socket; expected a file (--output)
            /dev/null      | is a device, pipe or socket
            /dev/stdout    | is a symbolic link; name the file itself (--output), whose lines can be read with cat
            lists          | is a folder; expected a file name (--output)
            lists/..       | is a folder
            none/o.jsonl   | is not there or can't be written (--output)
            /              | is a folder
            """)
    void whatIsNoRegularFileIsRefused(String path, String message) {
        assertThatThrownBy(() -> OutputFiles.resolve(folder.resolve(path).toString(), "--output"))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource({
        "new.jsonl, new.jsonl",
        "lists/in.jsonl, lists/in.jsonl",
        "other/new.jsonl, lists/new.jsonl",
        "deep/../new.jsonl, lists/new.jsonl",
        "lists/../new.jsonl, new.jsonl"
    })
    void aFileHasOnePathHoweverItIsSpelled(String path, String resolved) throws IOException {
        assertThat(OutputFiles.resolve(folder.resolve(path).toString(), "--output"))
                .isEqualTo(folder.resolve(resolved));
    }

    @ParameterizedTest
    @ValueSource(strings = {"lists/in.jsonl", "other/in.jsonl", "lists/sub/../in.jsonl", "hard.jsonl", "link.jsonl"})
    void anInputIsNoOutput(String path) throws IOException {
        Path input = folder.resolve(path);
        Path real = lists.resolve("in.jsonl");
        assertThat(OutputFiles.covers(real, input)).isTrue();
        assertThatThrownBy(() -> OutputFiles.check(real, List.of(input), "--report"))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("is an input; " + real + " would replace it (--report)");
        assertThatThrownBy(() -> InputFiles.of(List.of(input.toString()), BackfillJob.outputs(CONFIG, real), CONFIG))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("is an input, and would be replaced or deleted");
    }

    /** Deletes the parts and their folder. */
    @ParameterizedTest
    @ValueSource(strings = {"lists/out.jsonl.parts/x/in.jsonl", "other/out.jsonl.parts/in.jsonl"})
    void norDoesAnInputLieInWhatIsDeleted(String path) throws IOException {
        Path input = folder.resolve(path);
        Files.createDirectories(input.getParent());
        Files.copy(lists.resolve("in.jsonl"), input);
        List<Path> outputs = BackfillJob.outputs(CONFIG, lists.resolve("out.jsonl"));
        assertThatThrownBy(() -> InputFiles.of(List.of(input.toString()), outputs, CONFIG))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("is an input, and would be replaced or deleted");
        assertThat(InputFiles.of(List.of(folder.resolve("other").toString()), outputs, CONFIG))
                .containsExactly(folder.resolve("other/in.jsonl"));
        assertThat(InputFiles.of(List.of(folder.resolve("other") + "/**.jsonl"), outputs, CONFIG))
                .containsExactly(folder.resolve("other/in.jsonl"));
    }

    @Test
    void anotherFileOfTheFolderIsNone() throws IOException {
        Path input = lists.resolve("in.jsonl");
        assertThatCode(() -> OutputFiles.check(lists.resolve("report.html"), List.of(input), "--report"))
                .doesNotThrowAnyException();
        assertThat(OutputFiles.covers(lists.resolve("sub"), input)).isFalse();
        assertThat(OutputFiles.covers(lists, input)).isTrue();
    }
}
