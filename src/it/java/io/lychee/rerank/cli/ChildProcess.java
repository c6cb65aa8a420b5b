package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The launcher's main in a process of its own; killed when closed. */
record ChildProcess(Process process, Path log) implements AutoCloseable {

    private static final String HEAP = "1g";
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

    static ChildProcess start(Path log, String... command) throws IOException {
        return start(log, List.of(), HEAP, command);
    }

    /** @param environment more variables */
    static ChildProcess start(Path log, Map<String, String> environment, String... command) throws IOException {
        List<String> set = new ArrayList<>(List.of("env"));
        environment.forEach((key, value) -> set.add(key + "=" + value));
        return start(log, set, HEAP, command);
    }

    /**
     * @param before a command that gets this one as its arguments, such as a shell that sets a limit; may be empty
     * @param heap java's -Xmx
     */
    static ChildProcess start(Path log, List<String> before, String heap, String... command) throws IOException {
        List<String> all = new ArrayList<>(before);
        all.addAll(java(heap, command));
        Process process = new ProcessBuilder(all)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        return new ChildProcess(process, log);
    }

    /** A line of a shell, in that folder. */
    static ChildProcess shell(Path folder, Path log, String line) throws IOException {
        Process process = new ProcessBuilder("bash", "-c", line)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        return new ChildProcess(process, log);
    }

    /** What a shell would run. */
    static List<String> command(String... arguments) {
        return java(HEAP, arguments);
    }

    private static List<String> java(String heap, String... arguments) {
        List<String> java = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx" + heap,
                "-cp",
                System.getProperty("java.class.path"),
                "io.lychee.rerank.cli.Main"));
        java.addAll(List.of(arguments));
        return java;
    }

    /** Waits for a line, and returns what its first group found; fails when the process ends without one. */
    String await(Pattern line) throws IOException {
        while (true) {
            boolean ended = !process.isAlive();
            Matcher found = line.matcher(output());
            if (found.find()) {
                return found.group(1);
            }
            assertThat(ended).as(output()).isFalse();
            LockSupport.parkNanos(LOOK_NANOS);
        }
    }

    String output() throws IOException {
        return Files.readString(log);
    }

    @Override
    public void close() {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly().onExit().join();
    }
}
