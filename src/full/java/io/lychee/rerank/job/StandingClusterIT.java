package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.scoring.Lists;
import io.lychee.rerank.wire.CandidateListCodec;
import io.lychee.rerank.wire.RerankedListCodec;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

/** What {@code mvn package} made, on a cluster started with the files of {@code conf/flink}. */
@Tag("full")
@Timeout(1200)
class StandingClusterIT {

    private static final int RESTARTS = 10;
    /** Megabytes of class metadata that may come and go between the third and the last restart. */
    private static final double METASPACE_SLACK = 4;

    @TempDir(cleanup = CleanupMode.ON_SUCCESS)
    private Path folder;

    private final EmbeddedBroker broker = EmbeddedBroker.start();
    private NativeCluster cluster;
    private Path home;

    @BeforeEach
    void install() throws Exception {
        cluster = new NativeCluster(folder);
        home = cluster.configure(cluster.home("flink"), "common.yaml", "cpu.yaml");
        RerankConfig.Kafka kafka = RerankConfig.of(keys()).kafka();
        new TopicAdmin(kafka, Duration.ofSeconds(60)).createMissing(TopicAdmin.topics(kafka), 1);
    }

    @AfterEach
    void stop() {
        cluster.close();
        broker.close();
    }

    @Test
    void restartingTheJobKeepsTheNetworkAndLeaksNothing() throws Exception {
        cluster.jobManager(home);
        Process taskManager = cluster.taskManager("tm1", home);
        List<Double> metaspace = new ArrayList<>();
        long loaders = 0;
        for (int i = 0; i < RESTARTS; i++) {
            assertThat(cluster.run(home, List.of("-d"), arguments(keys())))
                    .as(Files.readString(cluster.log("submit")))
                    .isZero();
            isAnswered("q" + i);
            cluster.cancel(onlyRunningJob());
            String pid = String.valueOf(taskManager.pid());
            // counts after a collection
            loaders = Pattern.compile("\\n.* (\\d+) +\\d+ +\\S*\\.ChildFirstClassLoader", Pattern.MULTILINE)
                    .matcher(NativeCluster.tool("jcmd", pid, "GC.class_histogram"))
                    .results()
                    .mapToLong(found -> Long.parseLong(found.group(1)))
                    .sum();
            metaspace.add(metaspace(pid));
            System.out.printf(
                    "restart %d: %.1f MB of class metadata, %d job class loaders%n", i, metaspace.get(i), loaders);
        }
        String log = Files.readString(cluster.log("tm1"));
        assertThat(log).doesNotContain("already loaded in another classloader", "UnsatisfiedLinkError");
        assertThat(times("is ready on cpu", log)).as("networks loaded").isEqualTo(1);
        // two lanes lease it
        assertThat(times("the engine on cpu is there already", log)).isEqualTo(2 * RESTARTS - 1);
        assertThat(metaspace.get(RESTARTS - 1)).isLessThan(metaspace.get(2) + METASPACE_SLACK);
        assertThat(loaders).as("class loaders of cancelled jobs").isLessThanOrEqualTo(1);
    }

    @Test
    void inApplicationModeOperatorsRunWhereTheGpuIs() throws Exception {
        home = cluster.configure(home, "common.yaml", "cpu.yaml", "high-availability.yaml");
        Path gpuHome = gpuHome("echo 0", "high-availability.yaml");
        cluster.zooKeeper(home);
        for (Path each : List.of(home, gpuHome)) { // task managers look for the job where the JobManager found it
            Files.createSymbolicLink(each.resolve("usrlib/job.jar"), NativeCluster.JOB_JAR);
        }
        Map<String, String> keys = keys();
        keys.put("job.placement", "gpu");
        cluster.taskManager("without-gpu", home);
        cluster.taskManager("with-gpu", gpuHome, script(gpuHome));
        cluster.application(home, arguments(keys));

        isAnswered("q");
        assertThat(cluster.rest("/taskmanagers").path("taskmanagers")).hasSize(2);
        String job = onlyRunningJob();
        int subtasks = 0;
        for (JsonNode vertex : cluster.rest("/jobs/" + job).path("vertices")) {
            assertThat(vertex.path("name").asText()).contains("rerank");
            for (JsonNode subtask : cluster.rest(
                            "/jobs/" + job + "/vertices/" + vertex.path("id").asText())
                    .path("subtasks")) {
                assertThat(subtask.path("taskmanager-id").asText()).isEqualTo("with-gpu");
                subtasks++;
            }
        }
        assertThat(subtasks).isEqualTo(2);
        assertThat(Files.readString(cluster.log("with-gpu"))).contains("is ready on cpu");
        assertThat(Files.readString(cluster.log("without-gpu"))).doesNotContain("is ready on");
    }

    /** Without high availability, and exactly-once, which refuses to start without its checkpoint. */
    @Test
    void aReplacedJobManagerResumesFromTheJobsFolder() throws Exception {
        Files.createSymbolicLink(home.resolve("usrlib/job.jar"), NativeCluster.JOB_JAR);
        Map<String, String> keys = keys();
        keys.put("job.checkpoint-dir", folder.resolve("job").toString());
        keys.put("job.checkpoint-interval", "1 s");
        keys.put("kafka.delivery-guarantee", "exactly-once");
        cluster.taskManager("tm1", home);
        Process first = cluster.application(home, arguments(keys));
        isAnswered("q1");
        while (checkpoints().path("counts").path("completed").asInt() == 0) {
            NativeCluster.pause();
        }
        first.destroyForcibly().waitFor();
        cluster.application(home, arguments(keys));
        // until its JobManager is missed, the old job may still answer
        while (!cluster.rest("/jobs").toString().contains("RUNNING")) {
            NativeCluster.pause();
        }
        isAnswered("q2");
        assertThat(checkpoints().path("latest").path("restored").path("id").asInt())
                .isPositive();
    }

    private JsonNode checkpoints() throws Exception {
        return cluster.rest("/jobs/" + onlyRunningJob() + "/checkpoints");
    }

    @Test
    void aGpuThatIsPromisedAndNotThereIsRefused() throws Exception {
        Path gpuHome = gpuHome("echo no card >&2; exit 1");
        Map<String, String> keys = keys();
        keys.put("job.placement", "gpu");
        cluster.jobManager(home);
        cluster.taskManager("with-gpu", gpuHome, script(gpuHome));

        assertThat(cluster.run(home, List.of(), arguments(keys))).isNotZero();
        assertThat(Files.readString(cluster.log("submit")))
                .contains("job.placement is gpu, and the discovery script of this task manager found no GPU");
    }

    @Test
    void jarsOfDifferentVersionsAreRefused() throws Exception {
        Path older = cluster.configure(cluster.home("older"), "common.yaml", "cpu.yaml");
        try (var jars = Files.newDirectoryStream(older.resolve("lib"), "lychee-rerank-*-engine.jar")) {
            Path engine = jars.iterator().next();
            Path copy = folder.resolve("engine.jar");
            writeAsVersion("0.0.1", engine, copy);
            Files.delete(engine);
            Files.move(copy, engine);
        }
        cluster.jobManager(home);
        cluster.taskManager("tm1", older);

        assertThat(cluster.run(home, List.of(), arguments(keys()))).isNotZero();
        assertThat(Files.readString(cluster.log("submit")))
                .contains("the engine jar in Flink's lib/ is 0.0.1, the job jar was built with");
    }

    private static void writeAsVersion(String version, Path from, Path to) throws Exception {
        try (JarFile jar = new JarFile(from.toFile())) {
            Manifest manifest = jar.getManifest();
            manifest.getMainAttributes().put(Attributes.Name.IMPLEMENTATION_VERSION, version);
            try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(to), manifest)) {
                for (JarEntry entry : Collections.list(jar.entries())) {
                    if (!entry.getName().equals(JarFile.MANIFEST_NAME)) {
                        out.putNextEntry(new JarEntry(entry.getName()));
                        jar.getInputStream(entry).transferTo(out);
                    }
                }
            }
        }
    }

    /** With Flink's plugin. */
    private Path gpuHome(String script, String... more) throws Exception {
        List<String> files = new ArrayList<>(List.of("common.yaml", "gpu.yaml"));
        files.addAll(List.of(more));
        Path gpuHome = cluster.configure(cluster.home("flink-gpu"), files.toArray(String[]::new));
        Path plugin = Files.createDirectories(gpuHome.resolve("plugins/external-resource-gpu"));
        NativeCluster.copyArtifact("org.apache.flink:flink-external-resource-gpu:2.3.0", plugin);
        Path file = Files.writeString(plugin.resolve("fake-gpu.sh"), "#!/bin/sh\n" + script + "\n");
        assertThat(file.toFile().setExecutable(true)).isTrue();
        return gpuHome;
    }

    private static String script(Path gpuHome) {
        return "external-resource.gpu.param.discovery-script.path=" + gpuHome.resolve("plugins/external-resource-gpu")
                + "/fake-gpu.sh";
    }

    /** The demo's network would do as well; this one is smaller. */
    private Map<String, String> keys() {
        return new HashMap<>(Map.of(
                "kafka.bootstrap-servers",
                broker.bootstrapServers(),
                "model.checkpoint",
                Path.of("src/test/resources/golden/checkpoint").toAbsolutePath().toString(),
                "model.device",
                "cpu",
                "realtime.timeout",
                "0 s"));
    }

    private static List<String> arguments(Map<String, String> keys) {
        List<String> arguments = new ArrayList<>();
        keys.forEach((key, value) -> arguments.addAll(List.of("-D", key + "=" + value)));
        return arguments;
    }

    private String onlyRunningJob() throws Exception {
        for (JsonNode job : cluster.rest("/jobs").path("jobs")) {
            if (job.path("status").asText().equals("RUNNING")) {
                return job.path("id").asText();
            }
        }
        throw new AssertionError("no job runs");
    }

    private void isAnswered(String id) throws Exception {
        Map<String, Object> client = Map.of("bootstrap.servers", broker.bootstrapServers());
        RerankConfig.Kafka kafka = RerankConfig.of(keys()).kafka();
        try (var producer = new KafkaProducer<>(client, new ByteArraySerializer(), new ByteArraySerializer());
                var consumer = new KafkaConsumer<>(client, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            TopicPartition results = new TopicPartition(kafka.resultsTopic(), 0);
            consumer.assign(List.of(results));
            consumer.seekToBeginning(List.of(results));
            byte[] list = CandidateListCodec.encode(Lists.of(id, 3), OutputFormat.AVRO);
            var unused = producer.send(new ProducerRecord<>(kafka.requestsTopic(), list))
                    .get();
            while (true) {
                for (var record : consumer.poll(Duration.ofMillis(500))) {
                    RerankedList answer = RerankedListCodec.decode(record.value());
                    if (answer.requestId().equals(id)) {
                        assertThat(answer.status()).isEqualTo(ListStatus.COMPLETE);
                        return;
                    }
                }
            }
        }
    }

    /** Megabytes used for classes. */
    private static double metaspace(String pid) throws Exception {
        String[] table = NativeCluster.tool("jstat", "-gc", pid).strip().split("\\n", -1);
        int column = List.of(table[0].strip().split(" +", -1)).indexOf("MU");
        return Double.parseDouble(table[1].strip().split(" +", -1)[column]) / 1024;
    }

    private static long times(String text, String log) {
        Matcher matcher = Pattern.compile(Pattern.quote(text)).matcher(log);
        return matcher.results().count();
    }
}
