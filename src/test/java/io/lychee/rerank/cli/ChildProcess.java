package io.lychee.rerank.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The launcher's main in a process of its own; killed when closed. */
record ChildProcess(Process process, Path log) implements AutoCloseable {

    static ChildProcess start(Path log, String... command) throws IOException {
        return start(log, List.of(), "1g", command);
    }

    /**
     * @param before a command that gets this one as its arguments, such as a shell that sets a limit; may be empty
     * @param heap java's -Xmx
     */
    static ChildProcess start(Path log, List<String> before, String heap, String... command) throws IOException {
        List<String> java = new ArrayList<>(before);
        java.addAll(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx" + heap,
                "-cp",
                System.getProperty("java.class.path"),
                "io.lychee.rerank.cli.Main"));
        java.addAll(List.of(command));
        Process process = new ProcessBuilder(java)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        return new ChildProcess(process, log);
    }

    String output() throws IOException {
        return Files.readString(log);
    }

    @Override
    public void close() {
        process.destroyForcibly().onExit().join();
    }
}
