package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The tarball where there is Java alone: no Maven, no sources, no libraries unpacked before, and only these commands.
 */
@Tag("full")
@Timeout(900)
class DistIT {

    private static final String[] COMMANDS = {"bash", "dirname", "grep", "locale", "readlink"};
    private static final long STEP_MINUTES = 5;

    @TempDir
    private Path folder;

    @Test
    void runsWithJavaAlone() throws Exception {
        Path unpacked = unpack();
        assertThat(unpacked.resolve("pom.xml")).doesNotExist();
        assertThat(unpacked.resolve("src")).doesNotExist();
        assertThat(unpacked.resolve("LICENSE")).exists();

        assertThat(run(unpacked, "doctor")).contains("The job would start.");
        assertThat(run(unpacked, "demo", "--device", "cpu")).contains("mean nDCG@10", "demo-003");
    }

    private Path unpack() throws Exception {
        try (DirectoryStream<Path> built = Files.newDirectoryStream(Path.of("target"), "lychee-rerank-*.tar.gz")) {
            Path tarball = built.iterator().next().toAbsolutePath();
            Process tar = new ProcessBuilder("tar", "-xzf", tarball.toString(), "-C", folder.toString()).start();
            assertThat(tar.waitFor()).isZero();
            Path unpacked = folder.resolve(tarball.getFileName().toString().replace(".tar.gz", ""));
            assertThat(unpacked).isDirectory();
            return unpacked;
        }
    }

    private String run(Path home, String... arguments) throws Exception {
        Path bin = folder.resolve("bin");
        if (Files.notExists(bin)) {
            Files.createDirectory(bin);
            for (String command : COMMANDS) {
                Files.createSymbolicLink(bin.resolve(command), Path.of("/usr/bin", command));
            }
        }
        Path log = folder.resolve(arguments[0] + ".log");
        ProcessBuilder builder = new ProcessBuilder("./lychee")
                .directory(home.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile());
        builder.command().addAll(List.of(arguments));
        builder.environment().clear();
        builder.environment()
                .putAll(Map.of(
                        "PATH",
                        bin.toString(),
                        "JAVA_HOME",
                        System.getProperty("java.home"),
                        "DJL_CACHE_DIR",
                        folder.resolve("djl").toString(),
                        "LYCHEE_JAVA_OPTS",
                        "-Xmx1g -Dai.djl.offline=true -Djava.io.tmpdir="
                                + Files.createDirectories(folder.resolve("tmp"))));
        try (ChildProcess child = new ChildProcess(builder.start(), log)) {
            assertThat(child.process().waitFor(STEP_MINUTES, TimeUnit.MINUTES))
                    .as(child.output())
                    .isTrue();
            assertThat(child.process().exitValue()).as(child.output()).isZero();
            return child.output();
        }
    }
}
