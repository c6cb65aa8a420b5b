package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.runtime.checkpoint.metadata.CheckpointMetadata;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is not a run's is neither written nor deleted. */
class RunFolderTest {

    private static final String MARKED = "{\"format\":\"lychee rerank, version 2\"";

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
            if (path.endsWith("_metadata")) {
                writeCheckpoint(path);
            } else {
                Files.writeString(path, pair[1].replace("{MARKED", MARKED).replace("MARKED", MARKED + "}"));
            }
        }
    }

    private static void writeCheckpoint(Path metadata) throws IOException {
        long number =
                Long.parseLong(metadata.getParent().getFileName().toString().replace("chk-", ""));
        try (DataOutputStream out = new DataOutputStream(Files.newOutputStream(metadata))) {
            Checkpoints.storeCheckpointMetadata(new CheckpointMetadata(number, List.of(), List.of()), out);
        }
    }

    private RunFolder run() {
        return new RunFolder(folder(), RunFolder.Kind.BOUNDED);
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
            run.json=mine                              | was not made by lychee rerank
            run.json={"format":"mine"}                 | was not made by lychee rerank
            lock=mine; run.json=mine                   | was not made by lychee rerank
            lock=mine                                  | was not made by lychee rerank
            lock=; notes.txt=mine                      | was not made by lychee rerank
            version.txt=lychee-rerank run, version 1   | was not made by lychee rerank, or by another version of it
            lock=; run.txt=older; results/part-0=1     | was not made by lychee rerank, or by another version of it
            run.json=MARKED; lock=; notes.txt=mine     | holds what no run makes: notes.txt
            run.json=MARKED; a.jpg=1; b.jpg=2          | holds what no run makes: a.jpg, b.jpg
            """)
    void foldersOfOthersAreRefusedAndLeftAsTheyAre(String files, String message) throws IOException {
        create(folder(), files);
        Map<String, String> before = tree(temp);
        for (boolean restart : new boolean[] {false, true}) {
            try (RunFolder run = run()) {
                assertThatThrownBy(() -> run.open(restart))
                        .isInstanceOf(ConfigException.class)
                        .hasMessageContaining(folder().toString())
                        .hasMessageContaining(message);
            }
            assertThat(tree(temp)).isEqualTo(before);
        }
    }

    @Test
    void aFileOrALinkInItsPlaceIsRefused() throws IOException {
        Files.writeString(folder(), "mine");
        try (RunFolder run = run()) {
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
                "run.json=MARKED",
                "run.json=MARKED; lock=; results/part-0=1",
                "lock=",
                "lock=; run.json.unfinished={\"form",
                "lock=; run.json={MARKED,\"run\":[]}; checkpoints/x=1; results/part-0=1; joining=1",
            })
    void whatARunLeftIsItsOwnAndDeletedWithIt(String files) throws IOException {
        create(folder(), files);
        try (RunFolder run = run()) {
            run.open(false);
            assertThat(folder().resolve("run.json")).content().contains("\"lychee rerank, version 2\"");
            run.delete();
        }
        assertThat(temp).isEmptyDirectory();
    }

    @Test
    void anEmptyFolderIsTakenAndMarked() throws IOException {
        Files.createDirectory(folder());
        String id;
        try (RunFolder run = run()) {
            run.open(false);
            id = id(run);
        }
        try (RunFolder run = run()) {
            run.open(true);
            assertThat(id(run))
                    .as("begun anew, it fences its own transactions")
                    .isEqualTo(id)
                    .isNotEmpty();
            assertThat(folder().resolve("run.json")).content().contains("\"lychee rerank, version 2\"");
            Files.writeString(folder().resolve("notes.txt"), "mine");
            assertThatThrownBy(run::delete).hasMessageContaining("holds what no run makes: notes.txt");
            assertThat(folder().resolve("notes.txt")).hasContent("mine");
        }
    }

    /** Its state is reset first, so that half of its parts can't be resumed from. */
    @Test
    void filesThatAKilledDeletionLeftAreDeletedByTheNextRun() throws IOException {
        create(folder(), "run.json={MARKED,\"id\":\"7\"}; lock=; results/part-0=1; checkpoints/a/chk-9/_metadata=");
        try (RunFolder run = run()) {
            run.open(false);
            assertThat(id(run)).isEqualTo("7");
            assertThat(run.lastCheckpoint()).isEmpty();
            assertThat(folder().resolve("results")).doesNotExist();
        }
    }

    private static String id(RunFolder run) throws IOException {
        return run.state().path(RunFolder.ID).asText();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            run.json=RUN,"ended":7}                                                        | true
            run.json=RUN,"ended":7}; checkpoints/a/chk-7/_metadata=                        | false
            run.json=RUN,"ended":7}; checkpoints/b/chk-12/_metadata=                       | false
            run.json=RUN,"ended":12}; checkpoints/b/chk-9/_metadata=                       | true
            run.json=RUN}; checkpoints/a/chk-9/_metadata=; checkpoints/b/chk-10/_metadata= | false
            run.json=RUN,"tally":{"answers":3}}; results/part-0=                           | false
            """)
    void aRunHasFinishedOnceTheCheckpointOfItsCountsIsGone(String files, boolean finished) throws IOException {
        create(folder(), files.replace("RUN", "{MARKED,\"run\":[]"));
        try (RunFolder run = run()) {
            run.open(false);
            assertThat(run.isFinished()).isEqualTo(finished);
        }
    }

    @Test
    void theLastCheckpointIsTheOneOfTheLargestNumber() throws IOException {
        create(folder(), "checkpoints/b/chk-10/_metadata=; checkpoints/a/chk-9/_metadata=");
        try (RunFolder run = run()) {
            Files.createDirectories(folder().resolve("checkpoints/b/chk-11"));
            Files.writeString(folder().resolve("checkpoints/b/chk-11/_metadata"), "cut off");
            assertThat(run.lastCheckpoint())
                    .hasValue(new RunFolder.Checkpoint(folder().resolve("checkpoints/b/chk-10"), 10));
        }
    }
}
