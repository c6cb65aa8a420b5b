package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.offset;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The launcher where cron, systemd and containers put it: no UTF-8 locale, few files; and what it leaves behind. */
@Timeout(240)
class LauncherTest {

    private static final String[] COMMAND = {"./lychee"};

    @TempDir
    private Path home;

    private Path temporary;

    private record Run(int exitCode, String out, String err) {}

    @BeforeEach
    void prepare() throws IOException {
        checkout(home);
        temporary = Files.createDirectory(home.resolve("tmp"));
    }

    /** Makes a checkout as the launcher wants it, built. */
    static void checkout(Path home) throws IOException {
        Path here = Path.of("").toAbsolutePath();
        Files.copy(here.resolve("lychee"), home.resolve("lychee"));
        Files.createDirectories(home.resolve("target"));
        Files.createDirectories(home.resolve("src/main"));
        Files.createDirectories(home.resolve("src/bench"));
        Files.createDirectories(home.resolve("schemas"));
        Files.createFile(home.resolve("pom.xml"));
        for (String name : List.of("conf", "demo", "target/classes")) {
            Files.createSymbolicLink(home.resolve(name), here.resolve(name));
        }
        Files.writeString(home.resolve("target/lychee.classpath"), System.getProperty("java.class.path"));
        Path stamp = Files.createFile(home.resolve("target/lychee.stamp"));
        Files.setLastModifiedTime(stamp, FileTime.fromMillis(System.currentTimeMillis() + 60_000));
    }

    private Run run(Map<String, String> locale, List<String> before, String... arguments)
            throws IOException, InterruptedException {
        Process process = start(locale, before, arguments);
        assertThat(process.waitFor(120, TimeUnit.SECONDS)).isTrue();
        return new Run(
                process.exitValue(), Files.readString(home.resolve("out")), Files.readString(home.resolve("err")));
    }

    private Process start(Map<String, String> locale, List<String> before, String... arguments) throws IOException {
        List<String> command = Stream.of(before.stream(), Stream.of(COMMAND), Stream.of(arguments))
                .flatMap(all -> all)
                .toList();
        ProcessBuilder builder = new ProcessBuilder(command).directory(home.toFile());
        builder.environment().keySet().removeIf(name -> name.startsWith("LC_") || name.startsWith("LANG"));
        builder.environment().putAll(locale);
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().put("LYCHEE_JAVA_OPTS", "-Xmx1g -Djava.io.tmpdir=" + temporary);
        return builder.redirectOutput(home.resolve("out").toFile())
                .redirectError(home.resolve("err").toFile())
                .start();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "LC_ALL=C", "LC_ALL=POSIX", "LANG=xx_XX.UTF-8", "LC_CTYPE=C LANG=C.UTF-8"})
    void textIsUtf8WhateverTheLocale(String locale) throws Exception {
        Map<String, String> variables = new HashMap<>();
        for (String variable : locale.split(" ", -1)) {
            variables.put(variable.split("=", 2)[0], variable.substring(variable.indexOf('=') + 1));
        }
        variables.remove("");
        Path lists = Path.of("src/test/resources/locale").toAbsolutePath();
        Files.createDirectory(home.resolve("输入"));
        for (String name : List.of("lists.jsonl", "鞋.jpg")) {
            Files.copy(lists.resolve(name), home.resolve("输入").resolve(name));
        }

        Run reranked = run(
                variables,
                List.of(),
                "rerank",
                "--checkpoint",
                "demo/checkpoint",
                "--device",
                "cpu",
                "--input",
                "输入/lists.jsonl",
                "--output",
                "输出.jsonl",
                "--instruction",
                "给定查询，检索相关商品");

        assertThat(reranked.exitCode()).as(reranked.err()).isZero();
        JsonNode answer = new ObjectMapper().readTree(home.resolve("输出.jsonl").toFile());
        assertThat(answer.at("/results/0/score").asDouble()).isCloseTo(0.2598, offset(1e-3));
        assertThat(answer.at("/results/1/score").asDouble()).isCloseTo(6.37e-6, offset(1e-6));
        assertThat(temporary).as("nothing is left").isEmptyDirectory();

        Run wrong = run(variables, List.of(), "evaluate", "--lists", "没有.jsonl");
        assertThat(wrong.err()).contains("没有.jsonl").doesNotContain("?");
    }

    @Test
    void withoutTheLauncherTheLocaleIsNamed() throws Exception {
        ProcessBuilder builder = new ProcessBuilder(ChildProcess.command("--version"));
        builder.environment().put("LC_ALL", "C");
        Process process = builder.start();
        String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).isZero();
        assertThat(err).contains("file names are read as ", "LC_ALL=C.UTF-8").hasLineCount(1);
    }

    @Test
    void tooFewFilesAreSaidInOneLine() throws Exception {
        Run run =
                run(Map.of(), List.of("bash", "-c", "ulimit -n 300; exec \"$@\"", "bash"), "evaluate", "--lists", "a");
        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err()).contains("may open 300 files", "ulimit").hasLineCount(1);
    }

    @Test
    void foldersOfProcessesThatWereKilledGoAndThoseInUseStay() throws Exception {
        Path killed = Files.createDirectories(temporary.resolve("lychee-1-killed/flink/deep"));
        Files.createFile(killed.resolve("a.jar"));
        Files.createFile(temporary.resolve("lychee-1-killed/.lock"));
        Path starting = Files.createDirectory(temporary.resolve("lychee-2-starting"));
        Path broker = Files.createDirectory(temporary.resolve("lychee-broker-7"));
        Path used = Files.createDirectory(temporary.resolve("lychee-3-used"));
        try (FileChannel lock =
                        FileChannel.open(used.resolve(".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock held = lock.lock()) {
            assertThat(held.isValid()).isTrue();

            assertThat(run(Map.of(), List.of(), "--version").exitCode()).isZero();
        }
        assertThat(temporary).isDirectoryNotContaining(path -> path.equals(temporary.resolve("lychee-1-killed")));
        assertThat(List.of(starting, broker, used)).allMatch(Files::exists);
        try (Stream<Path> left = Files.list(temporary)) {
            assertThat(left).hasSize(3);
        }
    }

    @Test
    void nothingIsLeftAfterSigterm() throws Exception {
        Process process = start(Map.of(), List.of(), "demo", "--device", "cpu");
        while (process.isAlive() && !hasBroker()) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
        }
        assertThat(process.isAlive()).as(Files.readString(home.resolve("err"))).isTrue();
        process.destroy();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(temporary).as(Files.readString(home.resolve("err"))).isEmptyDirectory();
    }

    private boolean hasBroker() throws IOException {
        try (DirectoryStream<Path> own = Files.newDirectoryStream(temporary, "lychee-*")) {
            for (Path folder : own) {
                String[] inside = folder.toFile().list();
                if (inside != null && Stream.of(inside).anyMatch(name -> name.startsWith("lychee-broker-"))) {
                    return true;
                }
            }
            return false;
        }
    }
}
