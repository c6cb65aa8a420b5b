package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.flink.util.FileUtils;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is not a run's is neither written nor deleted. */
class RunFolderTest {

    private static final String MARKED = "lychee-rerank run, version 1\n";

    @TempDir
    private Path temp;

    private Path folder() {
        return temp.resolve("out.jsonl.parts");
    }

    /** @param files name=content each; a name that ends with a slash is a folder */
    private static void create(Path folder, String files) throws IOException {
        Files.createDirectories(folder);
        for (String file : files.split(";", -1)) {
            String[] pair = file.strip().split("=", 2);
            Path path = folder.resolve(pair[0]);
            Files.createDirectories(path.getParent());
            Files.writeString(path, pair[1].replace("MARKED", MARKED));
        }
    }

    private static Map<String, String> tree(Path folder) throws IOException {
        Map<String, String> tree = new TreeMap<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.toList()) {
                tree.put(file.toString(), Files.isRegularFile(file) ? Files.readString(file) : "");
            }
        }
        return tree;
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            photos/a.jpg=mine                          | was not made by lychee rerank
            results/a.jsonl=mine                       | was not made by lychee rerank
            run.txt=mine                               | was not made by lychee rerank
            lock=mine; run.txt=mine                    | was not made by lychee rerank
            lock=; notes.txt=mine                      | was not made by lychee rerank
            version.txt=2.0; results/a.jsonl=mine      | was not made by lychee rerank
            version.txt=MARKED; lock=; notes.txt=mine  | holds what no run makes: notes.txt
            lock=; run.txt=x; a.jpg=1; b.jpg=2         | holds what no run makes: a.jpg, b.jpg
            """)
    void foldersOfOthersAreRefusedAndLeftAsTheyAre(String files, String message) throws IOException {
        for (Path theirs : new Path[] {folder(), RunFolder.discarded(folder())}) {
            create(theirs, files);
            Map<String, String> before = tree(temp);
            for (boolean restart : new boolean[] {false, true}) {
                try (RunFolder run = new RunFolder(folder())) {
                    assertThatThrownBy(() -> run.open(restart))
                            .isInstanceOf(ConfigException.class)
                            .hasMessageContaining(theirs.toString())
                            .hasMessageContaining(message);
                }
                assertThat(tree(temp)).isEqualTo(before);
            }
            FileUtils.deleteDirectory(theirs.toFile());
        }
    }

    @Test
    void aFileOrALinkInItsPlaceIsRefused() throws IOException {
        Files.writeString(folder(), "mine");
        try (RunFolder run = new RunFolder(folder())) {
            assertThatThrownBy(() -> run.open(true)).hasMessageContaining("is no folder");
            assertThat(folder()).hasContent("mine");
            Files.delete(folder());
            Path mine = Files.createDirectory(temp.resolve("mine"));
            Files.createSymbolicLink(folder(), mine);
            assertThatThrownBy(() -> run.open(true)).hasMessageContaining("is no folder");
            assertThat(mine).isEmptyDirectory();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "version.txt=MARKED",
                "version.txt=MARKED; lock=; results/part-0=1",
                "lock=",
                "lock=; version.txt.unfinished=lych",
                "lock=; run.txt=older; progress.txt=1 of 2; checkpoints/x=1; results/part-0=1",
                "lock=; transactions.txt=bounded-1"
            })
    void whatARunLeftIsItsOwnAndDeletedWithIt(String files) throws IOException {
        create(folder(), files);
        create(RunFolder.discarded(folder()), files);
        try (RunFolder run = new RunFolder(folder())) {
            run.open(false);
            assertThat(folder().resolve("version.txt")).hasContent(MARKED);
            run.discard();
        }
        assertThat(temp).isEmptyDirectory();
    }

    @Test
    void anEmptyFolderIsTakenAndMarked() throws IOException {
        Files.createDirectory(folder());
        String transactions;
        try (RunFolder run = new RunFolder(folder())) {
            run.open(false);
            transactions = run.transactions();
        }
        try (RunFolder run = new RunFolder(folder())) {
            run.open(true);
            assertThat(run.transactions()).as("begun anew, it fences its own").isEqualTo(transactions);
            assertThat(folder().resolve("version.txt")).hasContent(MARKED);
            Files.writeString(folder().resolve("notes.txt"), "mine");
            assertThatThrownBy(run::discard).hasMessageContaining("holds what no run makes: notes.txt");
            assertThat(folder().resolve("notes.txt")).hasContent("mine");
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            finished.txt=checkpoint 7                                                 | true
            finished.txt=checkpoint 7; checkpoints/a/chk-7/_metadata=                 | false
            finished.txt=checkpoint 7; checkpoints/b/chk-12/_metadata=                | false
            finished.txt=checkpoint 12; checkpoints/b/chk-9/_metadata=                | true
            finished.txt=                                                             | true
            finished.txt=; checkpoints/a/chk-3/_metadata=                             | true
            checkpoints/a/chk-9/_metadata=; checkpoints/b/chk-10/_metadata=           | false
            results/part-0=                                                           | false
            """)
    void aRunHasFinishedOnceTheCheckpointOfItsCountsIsGone(String files, boolean finished) throws IOException {
        create(folder(), "version.txt=MARKED; " + files);
        try (RunFolder run = new RunFolder(folder())) {
            run.open(false);
            assertThat(run.isFinished()).isEqualTo(finished);
        }
    }

    @Test
    void theLastCheckpointIsTheOneOfTheLargestNumber() throws IOException {
        create(folder(), "checkpoints/b/chk-10/_metadata=; checkpoints/a/chk-9/_metadata=");
        try (RunFolder run = new RunFolder(folder())) {
            assertThat(run.lastCheckpoint()).hasValue(folder().resolve("checkpoints/b/chk-10"));
        }
    }
}
