package io.lychee.rerank.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code ./lychee rerank}: the files and folders it reads, writes, refuses and leaves alone. */
@Timeout(300)
class RerankFilesTest extends RerankFixture {

    @ParameterizedTest
    @ValueSource(strings = {"lists.jsonl", "other/lists.jsonl", "hard.jsonl", "link.jsonl", "images/../lists.jsonl"})
    void theOutputIsNoInputByWhateverPath(String path) throws IOException {
        write(input, "q0");
        String before = Files.readString(input);
        Files.createSymbolicLink(folder.resolve("other"), folder);
        Files.createLink(folder.resolve("hard.jsonl"), input);
        Files.createSymbolicLink(folder.resolve("link.jsonl"), input);
        output = folder.resolve(path);

        Cli refused = rerank();

        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.err()).contains("lychee: ").contains("--output");
        assertThat(input).hasContent(before);
        assertThat(folder.resolve("link.jsonl")).isSymbolicLink();
    }

    @Test
    void aFolderOfSomebodyElseIsLeftAlone() throws IOException {
        write(input, "q0");
        Path photo = Files.createDirectory(folder.resolve("out.jsonl.parts")).resolve("photo.jpg");
        Files.writeString(photo, "mine");
        for (String[] options : new String[][] {{}, {"--restart"}}) {
            Cli refused = rerank(options);
            assertThat(refused.exitCode()).isEqualTo(1);
            assertThat(refused.err()).contains("was not made by lychee rerank").contains("move it away");
            assertThat(photo).hasContent("mine");
        }
    }

    @Test
    void devicesAndPipesAreNoOutputAndAFileIsReplacedAtTheEndOnly() throws Exception {
        write(input, "q0");
        Path fifo = folder.resolve("fifo");
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor())
                .isZero();
        for (Path device : List.of(Path.of("/dev/null"), Path.of("/dev/stdout"), fifo)) {
            output = device;
            Cli refused = rerank();
            assertThat(refused.exitCode()).isEqualTo(1);
            assertThat(refused.err()).contains(device + " is a ").contains("can be read with cat");
        }

        output = folder.resolve("out.jsonl");
        Files.writeString(output, "of before");
        Files.createDirectory(folder.resolve("out.jsonl.dead-letters.jsonl"));
        assertThat(rerank().err()).contains("out.jsonl.dead-letters.jsonl is a folder");
        assertThat(output).hasContent("of before");
        Files.delete(folder.resolve("out.jsonl.dead-letters.jsonl"));
        assertThat(rerank().exitCode()).isZero();
        assertThat(answers()).hasSize(1);
    }

    @Test
    void aHiddenFileIsAFileToo() throws IOException {
        input = folder.resolve(".lists.jsonl");
        ObjectNode list = list("q", JSON.readTree("{\"text\":\"a\"}"));
        Files.writeString(input, list + "\n");

        assertThat(rerank().exitCode()).isZero();
        assertThat(answers()).hasSize(1);
    }

    @Test
    void filesFoldersAndGlobsComeOutInTheOrderOfTheirPaths() throws IOException {
        Path lists = Files.createDirectories(folder.resolve("lists/sub")).getParent();
        write(lists.resolve("b.jsonl"), "b0", "b1");
        write(lists.resolve("a.jsonl"), "a0");
        write(lists.resolve("sub/c.ndjson"), "c0", "c1");
        try (OutputStream packed = new GZIPOutputStream(Files.newOutputStream(lists.resolve("aa.jsonl.gz")))) {
            packed.write((list("aa0", JSON.readTree("{\"text\":\"q\"}")) + "\nno list\n").getBytes(UTF_8));
        }
        Files.writeString(lists.resolve("notes.txt"), "not for us");
        Files.writeString(lists.resolve("_hidden.jsonl"), "nor this");
        output = lists.resolve("out.jsonl");
        Files.writeString(output, "of an earlier run, and no input");

        Cli all = run(lists.toString());
        assertThat(all.exitCode()).as(all.err()).isEqualTo(1);
        assertThat(answers())
                .extracting(a -> a.get("request_id").asText())
                .containsExactly("a0", "aa0", "b0", "b1", "c0", "c1");
        assertThat(read(lists.resolve("out.jsonl.dead-letters.jsonl")))
                .singleElement()
                .satisfies(dead -> {
                    assertThat(dead.get("source").asText()).isEqualTo("aa.jsonl.gz");
                    assertThat(dead.get("offset").asLong()).isEqualTo(1);
                });

        output = folder.resolve("out.jsonl");
        Cli some = run(
                lists + "/sub/*", lists + "/?.jsonl", lists.resolve("a.jsonl").toString());
        assertThat(some.exitCode()).as(some.err()).isZero();
        assertThat(answers())
                .extracting(a -> a.get("request_id").asText())
                .containsExactly("a0", "b0", "b1", "c0", "c1");

        assertThat(run(lists + "/*.nothing").err()).contains("no file ").contains("*.nothing that can be read");
        assertThat(run(lists.toString(), "-D", "files.max-count=2").err())
                .contains("more than 2 files (files.max-count)");
    }

    @Test
    void aDamagedFileIsAnErrorBeforeAnythingIsScored() throws IOException {
        write(input, "q0", "q1");
        byte[] packed;
        try (ByteArrayOutputStream bytes = new ByteArrayOutputStream();
                OutputStream gzip = new GZIPOutputStream(bytes)) {
            gzip.write(Files.readAllBytes(input));
            gzip.flush();
            packed = bytes.toByteArray(); // without the end that close() writes
        }
        Files.write(input, packed);

        Cli refused = rerank();

        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.err()).contains(input + " can't be read behind list ");
        assertThat(output).doesNotExist();
    }

    @Test
    void twoRunsDoNotShareTheirParts() throws IOException {
        write(input, "q0");
        Path parts = Files.createDirectory(folder.resolve("out.jsonl.parts"));
        try (FileChannel other =
                        FileChannel.open(parts.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock held = other.lock()) {
            assertThat(held.isValid()).isTrue();
            assertThat(rerank().err()).contains("out.jsonl.parts is in use by another run");
        }
        assertThat(rerank().exitCode()).isZero();
    }

    @Test
    void whatItWritesIsNoInput() throws IOException {
        Path lists = Files.createDirectory(folder.resolve("lists"));
        write(lists.resolve("a.jsonl"), "a0");
        output = lists.resolve("out.jsonl");
        Path left = Files.createDirectories(lists.resolve("out.jsonl.parts/results"));
        write(left.resolve("left.jsonl"), "left");
        Files.writeString(left.resolveSibling("run.json"), "{\"format\":\"lychee rerank, version 2\"}");

        Cli run = run(lists + "/**");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(answers()).extracting(a -> a.get("request_id").asText()).containsExactly("a0");
    }

    @Test
    void partsOfAnotherRunAreNotMixedIn() throws IOException {
        Files.createDirectory(folder.resolve("out.jsonl.parts"));
        Files.createFile(folder.resolve("out.jsonl.parts/lock"));
        Files.writeString(
                folder.resolve("out.jsonl.parts/run.json"),
                "{\"format\":\"lychee rerank, version 2\",\"run\":[\"something else\"]}");
        ObjectNode list = list("q", JSON.readTree("{\"text\":\"a\"}"));
        Files.writeString(input, list + "\n");

        Cli refused = rerank();
        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.err()).contains("--restart");

        Cli anew = rerank("--restart");
        assertThat(anew.exitCode()).as(anew.err()).isZero();
        assertThat(answers()).hasSize(1);
    }
}
