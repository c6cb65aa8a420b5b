package io.lychee.rerank;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import com.networknt.schema.ValidationMessage;
import io.lychee.rerank.cli.Main;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.job.RerankJob;
import io.lychee.rerank.task.Gpus;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;
import org.apache.flink.configuration.MemorySize;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import picocli.CommandLine;

/**
 * conf/kubernetes: valid by the operators' schemas, with no field unknown there, and in agreement with the Dockerfile,
 * conf/flink and the code. Nothing was applied to a cluster.
 */
class KubernetesFilesTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String CONF = "/opt/lychee/conf/rerank.properties";

    /** Keys of conf/flink that the operator sets: addresses, memory of processes, and ids. */
    private static final Set<String> OPERATORS = Set.of(
            "jobmanager.rpc.address",
            "rest.address",
            "rest.bind-address",
            "jobmanager.memory.process.size",
            "taskmanager.memory.process.size",
            "high-availability.zookeeper.quorum",
            "high-availability.cluster-id");

    private static final JsonNode FLINK_DEPLOYMENT = schema("flinkdeployments.yaml.gz", "v1beta1");
    private static final JsonNode POD_TEMPLATE = FLINK_DEPLOYMENT.at("/properties/spec/properties/podTemplate");

    @ParameterizedTest
    @ValueSource(strings = {"cpu", "gpu"})
    void theFlinkDeploymentIsValidAndFits(String device) throws IOException {
        JsonNode deployment = documents(device + ".yaml").get("FlinkDeployment");
        requireValid(FLINK_DEPLOYMENT, deployment);
        JsonNode spec = deployment.path("spec");
        requireImage(spec.path("image").asText(), "flink-" + device);
        requireMounts(spec.path("podTemplate").path("spec"));
        String flink = System.getProperty("java.class.path").replaceFirst(".*/flink-core-(\\d+)\\.(\\d+).*", "v$1_$2");
        assertThat(spec.path("flinkVersion").asText()).isEqualTo(flink);

        JsonNode job = spec.path("job");
        assertThat(job.path("entryClass").asText()).isEqualTo(RerankJob.class.getName());
        Path jar = Path.of(job.path("jarURI").asText().replaceFirst("^local://", ""));
        assertThat(Files.readString(Path.of("conf/docker/Dockerfile")))
                .contains("target/cluster/" + jar.getFileName() + " " + jar.getParent() + "/");
        RerankConfig config = config(texts(job.path("args")));
        assertThat(config.parallelism()).isEqualTo(job.path("parallelism").asInt());
        assertThat(config.placement().name()).isEqualTo(device.equals("gpu") ? "GPU" : "ANY");
        assertThat(config.model().checkpoint().toString()).startsWith("/models/");

        JsonNode limits = spec.at("/taskManager/podTemplate/spec/containers/0/resources/limits");
        assertThat(limits.path("nvidia.com/gpu").asInt()).isEqualTo(device.equals("gpu") ? 1 : 0);
        requireFlinksKeys(spec, device);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/spec flinkVersion v2_9",
                "/spec imagee a",
                "/spec/job upgradeMode savepoints",
                "/spec/podTemplate/spec/containers/0 livenesProbe a",
                "/spec/podTemplate/spec/containers/0/ports/0 containerPort metrics",
                "/metadata name Upper"
            })
    void aSlipIsRefused(String slip) throws IOException {
        JsonNode deployment = documents("gpu.yaml").get("FlinkDeployment");
        String[] parts = slip.split(" ", -1);
        ((ObjectNode) deployment.at(parts[0])).put(parts[1], parts[2]);
        assertThat(errors(FLINK_DEPLOYMENT, deployment)).hasSize(1);
    }

    /** All of conf/flink's keys with their values, but for those that the operator sets, and where state lies. */
    private static void requireFlinksKeys(JsonNode spec, String device) throws IOException {
        Map<String, String> expected = new TreeMap<>();
        for (String file : List.of("common", device, "high-availability")) {
            Map<String, Object> keys = new Yaml().load(Files.readString(Path.of("conf/flink", file + ".yaml")));
            keys.forEach((key, value) ->
                    expected.put(key, String.valueOf(value).replace("file:///tmp/lychee-rerank/", "file:///state/")));
        }
        assertThat(spec.at("/jobManager/resource/memory").asText())
                .isEqualTo(expected.get("jobmanager.memory.process.size"));
        assertThat(spec.at("/taskManager/resource/memory").asText())
                .isEqualTo(expected.get("taskmanager.memory.process.size"));
        expected.keySet().removeAll(OPERATORS);
        expected.put("high-availability.type", "kubernetes");
        expected.put("execution.checkpointing.savepoint-dir", "file:///state/savepoints");
        if (device.equals("cpu")) {
            expected.put("kubernetes.taskmanager.memory.limit-factor", "2.0");
        } else {
            assertThat(expected)
                    .containsEntry("external-resource." + Gpus.RESOURCE + ".kubernetes.config-key", "nvidia.com/gpu")
                    .containsEntry("external-resource." + Gpus.RESOURCE + ".amount", "1");
        }
        Map<String, String> keys = new TreeMap<>();
        spec.path("flinkConfiguration")
                .properties()
                .forEach(key -> keys.put(key.getKey(), key.getValue().asText()));
        assertThat(keys).isEqualTo(expected);
        assertThat(MemorySize.parse(spec.at("/taskManager/resource/memory").asText()))
                .isGreaterThan(MemorySize.parse(keys.get("taskmanager.memory.task.off-heap.size")));
    }

    @Test
    void theGatewayServesWhatItsServiceAndProbesAskFor() throws IOException {
        Map<String, JsonNode> documents = documents("gateway.yaml");
        assertThat(documents).containsOnlyKeys("Deployment", "Service");
        JsonNode deployment = documents.get("Deployment");
        JsonNode pods = deployment.at("/spec/template");
        requireValid(POD_TEMPLATE, pods);
        assertThat(fieldNames(deployment.path("spec"))).containsExactlyInAnyOrder("replicas", "selector", "template");
        JsonNode container = pods.at("/spec/containers/0");
        requireImage(container.path("image").asText(), "gateway");
        requireMounts(pods.path("spec"));
        List<String> arguments = texts(container.path("args"));
        CommandLine.ParseResult parsed = new CommandLine(new Main())
                .parseArgs(arguments.toArray(String[]::new))
                .subcommand();
        assertThat(parsed.commandSpec().name()).isEqualTo("serve");
        assertThat(parsed.<Integer>matchedOptionValue("--port", 0))
                .isEqualTo(container.at("/ports/0/containerPort").asInt());
        assertThat(parsed.<Path>matchedOptionValue("--conf", Path.of("")).toString())
                .isEqualTo(CONF);
        String openApi = Files.readString(Path.of("src/main/resources/openapi.json"));
        for (String probe : List.of("livenessProbe", "readinessProbe")) {
            JsonNode get = container.path(probe).path("httpGet");
            assertThat(openApi).contains("\"" + get.path("path").asText() + "\"");
            assertThat(get.path("port")).isEqualTo(container.at("/ports/0/name"));
        }

        JsonNode service = documents.get("Service");
        assertThat(service.at("/spec/selector"))
                .isEqualTo(pods.at("/metadata/labels"))
                .isEqualTo(deployment.at("/spec/selector/matchLabels"));
        assertThat(service.at("/spec/ports/0/targetPort")).isEqualTo(container.at("/ports/0/name"));
        // a request's Host header carries the Service's port; the check of hosts leaves off the gateway's own
        assertThat(service.at("/spec/ports/0/port")).isEqualTo(container.at("/ports/0/containerPort"));
        assertThat(service.path("spec").has("type"))
                .as("inside the cluster only")
                .isFalse();
        assertThat(config(List.of("--conf", CONF)).gateway().allowedHosts())
                .contains(service.at("/metadata/name").asText());
    }

    @Test
    void whatThePodsShareIsThere() throws IOException {
        JsonNode monitor = documents("common.yaml").get("PodMonitor");
        requireValid(schema("podmonitors.yaml.gz", "v1"), monitor);
        JsonNode claim = POD_TEMPLATE.at("/properties/spec/properties/volumes/items/properties/ephemeral/properties"
                + "/volumeClaimTemplate/properties/spec");
        JsonNode pods = documents("gpu.yaml").get("FlinkDeployment").at("/spec/podTemplate");
        assertThat(pods).isEqualTo(documents("cpu.yaml").get("FlinkDeployment").at("/spec/podTemplate"));
        for (JsonNode document : all("common.yaml")) {
            if (document.path("kind").asText().equals("PersistentVolumeClaim")) {
                requireValid(claim, document.path("spec"));
            }
        }
        assertThat(pods.at("/metadata/labels")).isEqualTo(monitor.at("/spec/selector/matchLabels"));
        JsonNode port = pods.at("/spec/containers/0/ports/0");
        assertThat(port.path("name")).isEqualTo(monitor.at("/spec/podMetricsEndpoints/0/port"));
        assertThat(pods.at("/spec/containers/0/livenessProbe/httpGet/port")).isEqualTo(port.path("name"));
        assertThat(Files.readString(Path.of("conf/flink/common.yaml")))
                .contains("\nmetrics.reporter.prom.port: " + port.path("containerPort") + "-");
    }

    /** Each mount has its volume, and each volume is one of common.yaml. */
    private static void requireMounts(JsonNode pod) throws IOException {
        Set<String> shared = new HashSet<>();
        for (JsonNode document : all("common.yaml")) {
            shared.add(document.path("kind").asText() + " "
                    + document.at("/metadata/name").asText());
        }
        Set<String> volumes = new HashSet<>();
        for (JsonNode volume : pod.path("volumes")) {
            volumes.add(volume.path("name").asText());
            assertThat(shared)
                    .contains(
                            volume.has("configMap")
                                    ? "ConfigMap "
                                            + volume.at("/configMap/name").asText()
                                    : "PersistentVolumeClaim "
                                            + volume.at("/persistentVolumeClaim/claimName")
                                                    .asText());
        }
        List<String> mounts = new ArrayList<>();
        for (JsonNode mount : pod.at("/containers/0/volumeMounts")) {
            assertThat(volumes).contains(mount.path("name").asText());
            mounts.add(mount.path("mountPath").asText());
        }
        assertThat(mounts).contains(Path.of(CONF).getParent().toString());
    }

    private static void requireImage(String image, String stage) throws IOException {
        assertThat(image).startsWith("lychee-rerank/" + stage + ":");
        assertThat(Files.readString(Path.of("conf/docker/Dockerfile")))
                .containsPattern("(?m)^FROM \\S+ AS " + stage + "$");
        assertThat(Files.readString(Path.of("docker-compose.yml")) + Files.readString(Path.of("conf/docker/gpu.yml")))
                .as("the tag that compose builds")
                .containsPattern("image: " + Pattern.quote(image) + "(?m)$");
    }

    /** Of the ConfigMap and the arguments, what the job would read. */
    private static RerankConfig config(List<String> arguments) throws IOException {
        assertThat(arguments.subList(0, 2)).containsExactly("--conf", CONF);
        Properties file = new Properties();
        file.load(new StringReader(documents("common.yaml")
                .get("ConfigMap")
                .at("/data/rerank.properties")
                .asText()));
        Map<String, String> keys = new HashMap<>();
        file.forEach((key, value) -> keys.put(key.toString(), value.toString()));
        for (int i = 2; i < arguments.size(); i += 2) {
            assertThat(arguments.get(i)).isEqualTo("-D");
            String[] pair = arguments.get(i + 1).split("=", 2);
            keys.put(pair[0], pair[1]);
        }
        return RerankConfig.of(keys);
    }

    private static void requireValid(JsonNode schema, JsonNode document) {
        assertThat(errors(schema, document)).isEmpty();
    }

    private static Set<ValidationMessage> errors(JsonNode schema, JsonNode document) {
        return JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V4)
                .getSchema(schema)
                .validate(document);
    }

    /** The schema of a definition's version, with what Kubernetes says in its own words put into a schema's. */
    private static JsonNode schema(String file, String version) {
        LoaderOptions large = new LoaderOptions();
        large.setCodePointLimit(4 << 20);
        try (InputStream in = new GZIPInputStream(
                Files.newInputStream(Path.of("src/test/resources/kubernetes").resolve(file)))) {
            JsonNode definition = JSON.valueToTree(new Yaml(large).load(in));
            for (JsonNode each : definition.at("/spec/versions")) {
                if (each.path("name").asText().equals(version)) {
                    ObjectNode schema = (ObjectNode) each.at("/schema/openAPIV3Schema");
                    close(schema);
                    ObjectNode properties = (ObjectNode) schema.path("properties");
                    String named = "{\"type\":\"object\",\"required\":[\"name\"],\"additionalProperties\":false,"
                            + "\"properties\":{\"name\":{\"type\":\"string\",\"pattern\":\"^[a-z][-a-z0-9]{0,44}$\"}}}";
                    properties.set("metadata", JSON.readTree(named));
                    properties.set(
                            "apiVersion", oneOf(definition.at("/spec/group").asText() + "/" + version));
                    properties.set(
                            "kind", oneOf(definition.at("/spec/names/kind").asText()));
                    return schema;
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        throw new AssertionError(file + " has no " + version);
    }

    private static JsonNode oneOf(String value) {
        ObjectNode schema = JSON.createObjectNode();
        schema.putArray("enum").add(value);
        return schema;
    }

    /** Refuses fields that a schema doesn't name, as kubectl does, and takes a number or a text where it says so. */
    private static void close(JsonNode schema) {
        if (schema instanceof ObjectNode object) {
            if (object.path("properties").isObject()
                    && !object.has("additionalProperties")
                    && !object.path("x-kubernetes-preserve-unknown-fields").asBoolean()) {
                object.put("additionalProperties", false);
            }
            if (object.path("x-kubernetes-int-or-string").asBoolean()) {
                object.removeAll();
                object.putArray("type").add("integer").add("string");
            }
            // known to Kubernetes only
            object.remove(fieldNames(object).stream()
                    .filter(name -> name.startsWith("x-kubernetes-"))
                    .toList());
        }
        schema.forEach(KubernetesFilesTest::close);
    }

    /** By kind. */
    private static Map<String, JsonNode> documents(String file) throws IOException {
        Map<String, JsonNode> documents = new LinkedHashMap<>();
        all(file).forEach(document -> documents.put(document.path("kind").asText(), document));
        return documents;
    }

    private static List<JsonNode> all(String file) throws IOException {
        List<JsonNode> documents = new ArrayList<>();
        LoaderOptions strict = new LoaderOptions();
        strict.setAllowDuplicateKeys(false);
        for (Object document : new Yaml(strict).loadAll(Files.readString(Path.of("conf/kubernetes", file)))) {
            documents.add(JSON.valueToTree(document));
        }
        return documents;
    }

    private static List<String> texts(JsonNode array) {
        List<String> texts = new ArrayList<>();
        array.forEach(text -> texts.add(text.asText()));
        return texts;
    }

    private static List<String> fieldNames(JsonNode object) {
        List<String> names = new ArrayList<>();
        object.fieldNames().forEachRemaining(names::add);
        return names;
    }
}
