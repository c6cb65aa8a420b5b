package io.lychee.rerank.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The launcher's main in a process of its own; killed when closed. */
record ChildProcess(Process process, Path log) implements AutoCloseable {

    static ChildProcess start(Path log, String... command) throws IOException {
        List<String> java = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx1g",
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
