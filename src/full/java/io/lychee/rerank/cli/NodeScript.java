package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;

/** The tests in {@code src/test/node}, run by Node with exactly the packages that their lock file names. */
final class NodeScript {

    private static final Path SOURCES = Path.of("src/test/node");
    private static final Path HOME = Path.of("target/node");
    private static final String LOCK = "package-lock.json";

    private NodeScript() {}

    /**
     * Fails with the script's output unless all its tests passed.
     *
     * @param given what the script finds as JSON in {@code LYCHEE_TEST}
     */
    static void run(String script, Map<String, ?> given) throws Exception {
        Path installed = HOME.resolve("node_modules/.package-lock.json");
        Path lock = HOME.resolve(LOCK);
        boolean current =
                Files.exists(installed) && Files.exists(lock) && Files.mismatch(lock, SOURCES.resolve(LOCK)) < 0;
        Files.createDirectories(HOME);
        try (var sources = Files.list(SOURCES)) {
            for (Path source : sources.filter(Files::isRegularFile).toList()) {
                Files.copy(source, HOME.resolve(source.getFileName()), StandardCopyOption.REPLACE_EXISTING);
            }
        }
        if (!current) {
            Files.deleteIfExists(installed);
            execute("npm-ci", Map.of(), List.of("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"));
        }
        execute(
                script,
                Map.of("LYCHEE_TEST", new ObjectMapper().writeValueAsString(given)),
                List.of("node", "--test", "--test-reporter=spec", script));
    }

    private static void execute(String name, Map<String, String> environment, List<String> command)
            throws IOException, InterruptedException {
        Path log = HOME.resolve(name + ".log");
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(HOME.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile());
        builder.environment().putAll(environment);
        Process process = builder.start();
        try {
            assertThat(process.waitFor()).as(() -> read(log)).isZero();
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
    }

    private static String read(Path log) {
        try {
            return Files.readString(log);
        } catch (IOException e) {
            return log + " can't be read: " + e;
        }
    }
}
