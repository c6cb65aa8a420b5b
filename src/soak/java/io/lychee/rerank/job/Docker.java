package io.lychee.rerank.job;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/**
 * A Docker daemon of a test's own, with its data and its socket in the test's folder, and commands to it. Needs root,
 * and that no other daemon runs here: they share the name of a network bridge, docker0, which stays behind with its
 * rules in iptables.
 */
final class Docker {

    private static final Duration START = Duration.ofMinutes(1);
    private static final Duration STOP = Duration.ofMinutes(2);
    /** For each command; the longest builds the product. */
    private static final Duration COMMAND = Duration.ofMinutes(15);
    /** For what is awaited; the longest are images that start. */
    private static final Duration WAIT = Duration.ofMinutes(4);

    private final Path folder;
    private final Process daemon;
    private final Map<String, String> environment = new HashMap<>();

    private Docker(Path folder, String socket) throws IOException {
        this.folder = folder;
        this.daemon = new ProcessBuilder(
                        "dockerd",
                        "--data-root=" + folder.resolve("docker"),
                        "--exec-root=" + folder.resolve("docker-exec"),
                        "--pidfile=" + folder.resolve("docker.pid"),
                        "--storage-driver=overlay2",
                        "--host=" + socket)
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("dockerd.log").toFile())
                .start();
        environment.putAll(
                Map.of("DOCKER_HOST", socket, "DOCKER_BUILDKIT", "0", "COMPOSE_PROJECT_NAME", "lychee-rerank"));
    }

    static Docker start(Path folder) throws Exception {
        Docker docker = new Docker(folder, "unix://" + folder.resolve("docker.sock"));
        try {
            docker.await(START, "the daemon", () -> {
                if (!docker.daemon.isAlive()) {
                    throw new AssertionError(Files.readString(folder.resolve("dockerd.log")));
                }
                return docker.exitCode(folder, "docker", "info") == 0;
            });
            return docker;
        } catch (Exception | AssertionError e) {
            docker.close();
            throw e;
        }
    }

    /** Sets a variable of the commands that follow. */
    void set(String name, String value) {
        environment.put(name, value);
    }

    /** Runs a command to its end, and returns what it printed; fails when it does. */
    String run(Path directory, String... command) throws Exception {
        int code = exitCode(directory, command);
        String output = Files.readString(output()).strip();
        if (code != 0) {
            throw new AssertionError("%s: exit code %d%n%s".formatted(String.join(" ", command), code, output));
        }
        return output;
    }

    private int exitCode(Path directory, String... command) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .redirectOutput(output().toFile());
        builder.environment().putAll(environment);
        Process process = builder.start();
        try {
            if (!process.waitFor(COMMAND.toSeconds(), TimeUnit.SECONDS)) {
                throw new AssertionError(String.join(" ", command) + " takes longer than " + COMMAND);
            }
            return process.exitValue();
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
    }

    private Path output() {
        return folder.resolve("command.log");
    }

    void await(String what, Callable<Boolean> condition) throws Exception {
        await(WAIT, what, condition);
    }

    private void await(Duration bound, String what, Callable<Boolean> condition) throws Exception {
        long until = System.nanoTime() + bound.toNanos();
        while (!condition.call()) {
            if (System.nanoTime() > until) {
                throw new AssertionError(what + ": not after " + bound);
            }
            NativeCluster.pause();
        }
    }

    /** Ends the daemon, which ends its containers, and removes what it leaves behind. */
    void close() throws Exception {
        daemon.destroy();
        if (!daemon.waitFor(STOP.toSeconds(), TimeUnit.SECONDS)) {
            daemon.descendants().forEach(ProcessHandle::destroyForcibly);
            daemon.destroyForcibly();
        }
        exitCode(folder, "umount", folder.resolve("docker-exec/netns/default").toString());
        exitCode(folder, "rm", "-rf", "docker", "docker-exec");
    }
}
