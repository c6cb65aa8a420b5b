package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.apache.kafka.common.utils.AppInfoParser;

/**
 * Makes images of {@code src/soak/docker} under the names of the public ones that the Dockerfile and docker-compose.yml
 * name. Debian packages come from its mirror, Maven artifacts from the local repository.
 */
final class StandIns {

    /** Grafana is no Debian package. */
    static final String WITHOUT = "grafana";

    private static final Pattern NAMED = Pattern.compile("^(?:FROM|    image:) (\\S+:\\S+)", Pattern.MULTILINE);

    private StandIns() {}

    static void build(Docker docker, Path folder) throws Exception {
        Path context = folder.resolve("stand-ins");
        docker.run(Path.of("."), "cp", "-r", "src/soak/docker", context.toString());
        docker.run(context, "cp", "-r", System.getProperty("localRepository"), "repository");
        docker.run(context, "debootstrap", "--variant=minbase", "bookworm", "debian");
        docker.run(context, "tar", "-C", "debian", "-cf", "debian.tar", ".");
        docker.run(context, "rm", "-r", "debian");
        kafka(context.resolve("kafka"));
        flink(context.resolve("flink"));
        for (String image : images()) {
            String target = image.replaceFirst(".*/", "").replaceFirst(":.*", "");
            docker.run(context, "docker", "build", "--network=host", "--target=" + target, "--tag=" + image, ".");
        }
    }

    private static Set<String> images() throws IOException {
        Set<String> images = new TreeSet<>();
        for (String file : List.of("conf/docker/Dockerfile", "docker-compose.yml")) {
            NAMED.matcher(Files.readString(Path.of(file)))
                    .results()
                    .map(found -> found.group(1))
                    .filter(image -> !image.startsWith("lychee-rerank/") && !image.contains(WITHOUT))
                    .forEach(images::add);
        }
        assertThat(images).hasSize(6);
        return images;
    }

    /** The broker's jars are among those of this test; the tools' are not. */
    private static void kafka(Path libs) throws Exception {
        Files.createDirectories(libs);
        for (Path jar : NativeCluster.classPath()) {
            String name = jar.getFileName().toString();
            if (!name.startsWith("flink-") && !name.startsWith("pytorch-")) {
                Files.copy(jar, libs.resolve(name));
            }
        }
        NativeCluster.copyArtifact("org.apache.kafka:kafka-tools:" + AppInfoParser.getVersion(), libs);
    }

    private static void flink(Path home) throws IOException {
        Path lib = Files.createDirectories(home.resolve("lib"));
        for (Path jar : NativeCluster.distribution()) {
            Files.copy(jar, lib.resolve(jar.getFileName()));
        }
        Path plugin = Files.createDirectories(home.resolve("plugins/metrics-prometheus"));
        for (Path jar : NativeCluster.classPath()) {
            if (jar.getFileName().toString().startsWith("flink-metrics-prometheus-")) {
                Files.copy(jar, plugin.resolve(jar.getFileName()));
            }
        }
    }
}
