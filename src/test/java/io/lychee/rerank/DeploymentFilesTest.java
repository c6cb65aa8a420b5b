package io.lychee.rerank;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.job.RerankJob;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.task.Gpus;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.CoreOptions;
import org.apache.flink.configuration.ExternalResourceOptions;
import org.apache.flink.configuration.GlobalConfiguration;
import org.apache.flink.configuration.HighAvailabilityOptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.yaml.snakeyaml.Yaml;

/**
 * docker-compose.yml, the Dockerfile and conf/flink: what they name exists, and they agree with each other and with the
 * code. ImagesSoakTest runs them.
 */
class DeploymentFilesTest {

    /** Of the Compose specification, what this project uses; anything else is a slip of the pen. */
    private static final Set<String> SERVICE_KEYS = Set.of(
            "image",
            "build",
            "environment",
            "ports",
            "volumes",
            "depends_on",
            "healthcheck",
            "restart",
            "stop_grace_period",
            "command",
            "entrypoint");

    private static final Path DOCKERFILE = Path.of("conf/docker/Dockerfile");

    private final Map<String, Object> compose = yaml(Path.of("docker-compose.yml"));
    private final Map<String, Map<String, Object>> services = cast(compose.get("services"));
    private final Map<String, Map<String, Object>> gpu =
            cast(yaml(Path.of("conf/docker/gpu.yml")).get("services"));

    DeploymentFilesTest() throws IOException {}

    @Test
    void everyServiceIsPinnedWatchedAndRestarted() {
        assertThat(services).hasSize(8);
        services.forEach((name, service) -> {
            assertThat(SERVICE_KEYS).as(name).containsAll(service.keySet());
            assertThat((String) service.get("image")).as(name).matches("[a-z0-9/-]+:v?\\d+\\.\\d+\\.\\d+(-\\S+)?");
            if (List.of("topics", "checkpoint").contains(name)) {
                assertThat(service).containsEntry("restart", "on-failure");
            } else {
                assertThat(service).as(name).containsEntry("restart", "unless-stopped");
                Map<String, Object> check = cast(service.get("healthcheck"));
                assertThat(check).as(name).containsKeys("test", "interval", "timeout", "retries");
            }
        });
    }

    @Test
    void whatAServiceNamesExists() {
        Map<String, Object> volumes = cast(compose.get("volumes"));
        services.forEach((name, service) -> {
            Map<String, Map<String, String>> dependencies = cast(service.getOrDefault("depends_on", Map.of()));
            dependencies.forEach((other, condition) -> {
                assertThat(services).as(name).containsKey(other);
                if (condition.get("condition").equals("service_healthy")) {
                    assertThat(services.get(other)).as(name).containsKey("healthcheck");
                }
            });
            for (String volume : DeploymentFilesTest.<List<String>>cast(service.getOrDefault("volumes", List.of()))) {
                // ${CHECKPOINT:-./demo/checkpoint}:/checkpoint:ro
                String source = volume.replaceFirst("^\\$\\{\\w+:-(.*?)}", "$1").split(":", -1)[0];
                if (source.startsWith(".")) {
                    assertThat(Path.of(source)).as(name).exists();
                } else {
                    assertThat(volumes).as(name).containsKey(source);
                }
            }
            for (String port : DeploymentFilesTest.<List<String>>cast(service.getOrDefault("ports", List.of()))) {
                assertThat(port).as(name).startsWith("127.0.0.1:");
            }
        });
    }

    @Test
    void theDockerfileBuildsWhatIsThere() throws IOException {
        String dockerfile = Files.readString(DOCKERFILE);
        List<String> stages = find("(?m)^FROM \\S+ AS (\\S+)$", dockerfile);
        List<String> bases = find("(?m)^FROM (\\S+) AS", dockerfile);
        assertThat(bases).allMatch(base -> stages.contains(base) || base.matches("\\S+:\\d+\\.\\d+\\S*"));
        Stream.concat(services.values().stream(), gpu.values().stream())
                .filter(service -> service.containsKey("build"))
                .forEach(service -> {
                    Map<String, String> build = cast(service.get("build"));
                    assertThat(Path.of(build.getOrDefault("dockerfile", DOCKERFILE.toString())))
                            .isEqualTo(DOCKERFILE);
                    assertThat(stages).contains(build.get("target"));
                    assertThat((String) service.get("image")).startsWith("lychee-rerank/" + build.get("target") + ":");
                });
        // a builder that makes every stage above its target downloads CUDA for the GPU's image alone
        assertThat(stages).endsWith("libtorch", "flink-gpu");
        List<String> ignored = Files.readAllLines(Path.of(".dockerignore"));
        for (String source : find("(?m)^COPY (?:--chown=\\S+ )?([^-\\s]\\S*) \\S+$", dockerfile)) {
            assertThat(Path.of(source)).exists();
            assertThat(ignored).anyMatch(line -> line.startsWith("!") && source.startsWith(line.substring(1)));
        }
        // stages that are copied from
        assertThat(stages).containsAll(find("--from=(\\S+)", dockerfile));
        String flink = System.getProperty("java.class.path").replaceFirst(".*/flink-core-(\\d[\\d.]*)\\.jar.*", "$1");
        assertThat(bases).contains("flink:" + flink + "-java17");
    }

    @Test
    void theJobIsStartedAsItExpects() {
        RerankConfig config = RerankConfig.of(Map.of("model.checkpoint", "none"));
        for (Map<String, Map<String, Object>> of : List.of(services, gpu)) {
            List<String> command = cast(of.get("jobmanager").get("command"));
            int job = command.indexOf("--");
            assertThat(command.subList(0, job))
                    .containsExactly("standalone-job", "--job-classname", RerankJob.class.getName());
            Map<String, String> keys = new HashMap<>(Map.of("model.checkpoint", "none"));
            for (int i = job + 3; i < command.size(); i += 2) {
                assertThat(command.get(i)).isEqualTo("-D");
                String[] pair = command.get(i + 1).split("=", 2);
                keys.put(pair[0], pair[1]);
            }
            assertThat(RerankConfig.of(keys).placement().name()).isEqualTo(of == gpu ? "GPU" : "ANY");
            List<String> mounts = find(
                    ":(/[^:,\\]]+)", services.get("taskmanager").get("volumes").toString());
            for (String key : List.of("model.checkpoint", "image.roots", "job.checkpoint-dir")) {
                assertThat(mounts).as(key).anyMatch(keys.get(key)::startsWith);
            }
        }
        String topics = String.valueOf(services.get("topics").get("command"));
        assertThat(List.of(find("for topic in ([^;]+);", topics).get(0).split(" ", -1)))
                .containsExactlyInAnyOrderElementsOf(TopicAdmin.topics(config.kafka()));
        Map<String, Object> broker = cast(services.get("kafka").get("environment"));
        assertThat((Integer) broker.get("KAFKA_MESSAGE_MAX_BYTES"))
                .isGreaterThan(config.kafka().maxRecordBytes());
    }

    @Test
    void prometheusScrapesEveryFlinkProcess() throws IOException {
        List<Map<String, List<String>>> targets = new Yaml().load(Files.readString(Path.of("conf/docker/targets.yml")));
        for (String target : targets.get(0).get("targets")) {
            String host = target.split(":", -1)[0];
            assertThat(services).containsKey(host);
            assertThat(target).endsWith(":9249");
        }
    }

    @ParameterizedTest
    @CsvSource({"cpu.yaml, false", "gpu.yaml, false", "cpu.yaml, true", "gpu.yaml, true"})
    void flinksFilesFitTogether(String device, boolean highlyAvailable, @TempDir Path folder) throws IOException {
        List<String> files = new ArrayList<>(List.of("common.yaml", device));
        if (highlyAvailable) {
            files.add("high-availability.yaml");
        }
        StringBuilder all = new StringBuilder();
        for (String file : files) {
            all.append(Files.readString(Path.of("conf/flink", file)));
        }
        Files.writeString(folder.resolve("config.yaml"), all);
        // a key that stands in two of them is refused here
        Configuration config = GlobalConfiguration.loadConfiguration(folder.toString());

        assertThat(config.get(CoreOptions.ALWAYS_PARENT_FIRST_LOADER_PATTERNS_ADDITIONAL))
                .containsExactlyInAnyOrderElementsOf(Stream.concat(
                                Stream.of("ai.djl."),
                                engineJar().map(folderName -> "io.lychee.rerank." + folderName + "."))
                        .toList());
        assertThat(config.contains(HighAvailabilityOptions.HA_MODE)).isEqualTo(highlyAvailable);
        List<String> resources = config.getOptional(ExternalResourceOptions.EXTERNAL_RESOURCE_LIST)
                .orElse(List.of());
        assertThat(resources).isEqualTo(device.equals("gpu.yaml") ? List.of(Gpus.RESOURCE) : List.of());
    }

    /** Folders of the engine jar, as the build says. */
    private static Stream<String> engineJar() throws IOException {
        String pom = Files.readString(Path.of("pom.xml"));
        String engine = pom.substring(pom.indexOf("<classifier>engine"), pom.indexOf("<id>job</id>"));
        List<String> folders = find("<include>io/lychee/rerank/(\\w+)/", engine);
        assertThat(find("<include name=\"io/lychee/rerank/(\\w+)/", pom))
                .as("what the engine's checksum is of")
                .isEqualTo(folders);
        for (String folder : folders) {
            for (String resources : find("getResourceAsStream\\(\"/(\\w+)/", sources(folder))) {
                assertThat(engine).contains("<include>" + resources + "/**</include>");
                assertThat(pom).contains("<include name=\"" + resources + "/**\"/>");
            }
        }
        return folders.stream();
    }

    private static String sources(String folder) throws IOException {
        StringBuilder all = new StringBuilder();
        try (Stream<Path> files = Files.walk(Path.of("src/main/java/io/lychee/rerank", folder))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                all.append(Files.readString(file));
            }
        }
        return all.toString();
    }

    private static List<String> find(String pattern, String text) {
        return Pattern.compile(pattern)
                .matcher(text)
                .results()
                .map((MatchResult found) -> found.group(1))
                .collect(Collectors.toList());
    }

    private static Map<String, Object> yaml(Path file) throws IOException {
        return new Yaml().load(Files.readString(file));
    }

    @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
    private static <T> T cast(Object value) {
        return (T) value;
    }
}
