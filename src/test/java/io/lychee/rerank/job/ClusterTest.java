package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions.Delivery;
import io.lychee.rerank.config.RerankOptions.OutputFormat;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.kafka.AnswerDecoder;
import io.lychee.rerank.kafka.BrokerCheck;
import io.lychee.rerank.kafka.CandidateListEncoder;
import io.lychee.rerank.scoring.Lists;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.jar.JarOutputStream;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Broker, ZooKeeper, JobManager and three task managers, each a process of its own on this test's class path. While
 * lists are reranked, two task managers are killed, the broker and the JobManager are killed and started again.
 */
@Tag("full")
@Timeout(900)
class ClusterTest {

    private static final int LISTS = Integer.getInteger("lychee.full.lists", 5000);
    private static final int CANDIDATES = 3;
    private static final int PARTITIONS = 4;

    @TempDir(cleanup = CleanupMode.ON_SUCCESS)
    private Path folder;

    private final List<Process> processes = new ArrayList<>();
    private final int brokerPort = freePort();
    private final int zooKeeperPort = freePort();
    private final int restPort = freePort();

    @AfterEach
    void stop() {
        processes.forEach(Process::destroyForcibly);
        processes.forEach(process -> process.onExit().join());
    }

    @ParameterizedTest
    @EnumSource(Delivery.class)
    void killsLoseNothing(Delivery delivery) throws Exception {
        configure();
        Process broker = broker();
        start(
                "zookeeper",
                "org.apache.flink.runtime.zookeeper.FlinkZooKeeperQuorumPeer",
                "--zkConfigFile",
                path("zoo.cfg"),
                "--peerId",
                "1");
        Process jobManager = jobManager();
        List<Process> taskManagers = List.of(taskManager(1), taskManager(2), taskManager(3));
        RerankConfig.Kafka kafka = RerankConfig.of(keys(delivery)).kafka();
        new BrokerCheck(kafka, Duration.ofSeconds(60)).createMissing(BrokerCheck.topics(kafka), PARTITIONS);
        send(kafka.requestsTopic());
        submit(delivery);

        Map<String, Integer> answers = new HashMap<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(kafka.resultsTopic())) {
            count(consumer, answers, LISTS / 10);
            kill(taskManagers.get(0));
            taskManager(4);
            count(consumer, answers, LISTS / 4);
            kill(broker);
            broker();
            count(consumer, answers, LISTS / 2);
            kill(jobManager);
            jobManager();
            count(consumer, answers, LISTS * 7 / 10);
            kill(taskManagers.get(1));
            taskManager(5);
            count(consumer, answers, LISTS);
            // what would be doubled comes with the next checkpoints
            for (int i = 0; i < 20; i++) {
                poll(consumer, answers);
            }
        }

        assertThat(answers).hasSize(LISTS);
        System.out.printf(
                "%s: %d lists, %d answered more than once%n",
                delivery,
                LISTS,
                answers.values().stream().filter(times -> times > 1).count());
        if (delivery == Delivery.EXACTLY_ONCE) {
            assertThat(new HashSet<>(answers.values()))
                    .as("times each was answered")
                    .containsExactly(1);
        }
    }

    private void configure() throws IOException {
        Files.writeString(path("zoo.cfg"), """
                dataDir=%s
                clientPort=%d
                clientPortAddress=localhost
                tickTime=500
                admin.enableServer=false
                """.formatted(path("zookeeper"), zooKeeperPort));
        Files.writeString(Files.createDirectory(path("conf")).resolve("config.yaml"), """
                jobmanager.rpc.address: localhost
                rest.address: localhost
                rest.port: %d
                high-availability.type: zookeeper
                high-availability.zookeeper.quorum: localhost:%d
                high-availability.zookeeper.client.session-timeout: 3000
                high-availability.storageDir: %s
                execution.checkpointing.dir: %s
                heartbeat.interval: 1000
                heartbeat.timeout: 6000
                taskmanager.numberOfTaskSlots: 1
                taskmanager.host: localhost
                taskmanager.cpu.cores: 1.0
                taskmanager.memory.task.heap.size: 512m
                taskmanager.memory.task.off-heap.size: 256m
                taskmanager.memory.network.min: 64m
                taskmanager.memory.network.max: 64m
                taskmanager.memory.managed.size: 0m
                taskmanager.memory.framework.heap.size: 128m
                taskmanager.memory.framework.off-heap.size: 128m
                taskmanager.memory.jvm-metaspace.size: 256m
                taskmanager.memory.jvm-overhead.min: 192m
                taskmanager.memory.jvm-overhead.max: 192m
                """.formatted(
                restPort, zooKeeperPort, path("ha").toUri(), path("checkpoints").toUri()));
    }

    private Map<String, String> keys(Delivery delivery) {
        return Map.of(
                "kafka.bootstrap-servers",
                "127.0.0.1:" + brokerPort,
                "kafka.delivery-guarantee",
                delivery.toString(),
                "model.checkpoint",
                Path.of("src/test/resources/golden/checkpoint").toAbsolutePath().toString(),
                "model.device",
                "cpu",
                "realtime.timeout",
                "0 s",
                "job.parallelism",
                "2",
                "job.checkpoint-interval",
                "1 s",
                "flink.restart-strategy.type",
                "fixed-delay",
                "flink.restart-strategy.fixed-delay.attempts",
                "1000",
                "flink.restart-strategy.fixed-delay.delay",
                "500 ms");
    }

    private Process broker() throws IOException {
        return start("broker", Broker.class.getName(), path("broker"), brokerPort);
    }

    private Process jobManager() throws IOException {
        return start(
                "jobmanager",
                "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
                "--configDir",
                path("conf"));
    }

    private Process taskManager(int number) throws IOException {
        return start(
                "taskmanager-" + number,
                "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
                "--configDir",
                path("conf"),
                "-D",
                "taskmanager.resource-id=tm" + number);
    }

    /** As a user does: {@code flink run}; the classes are on the cluster's class path. */
    private void submit(Delivery delivery) throws Exception {
        try (var jar = new JarOutputStream(Files.newOutputStream(path("empty.jar")))) {
            jar.finish();
        }
        List<Object> arguments =
                new ArrayList<>(List.of("run", "-d", "-c", "io.lychee.rerank.job.RerankJob", path("empty.jar")));
        keys(delivery).forEach((key, value) -> arguments.addAll(List.of("-D", key + "=" + value)));
        int exit = -1;
        // until the JobManager is up
        for (int i = 0; i < 30 && exit != 0; i++) {
            exit = start("submit", "org.apache.flink.client.cli.CliFrontend", arguments.toArray())
                    .waitFor();
        }
        assertThat(exit).as(Files.readString(path("submit.log"))).isZero();
    }

    private Process start(String name, String main, Object... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx768m",
                "-XX:+UseSerialGC",
                // of Flink's own env.java.opts.all
                "--add-opens=java.base/java.util=ALL-UNNAMED",
                "--add-opens=java.base/java.lang=ALL-UNNAMED",
                "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
                "-Dai.djl.offline=true",
                "-Dlog4j2.configurationFile=" + System.getProperty("log4j2.configurationFile"),
                "-cp",
                System.getProperty("java.class.path"),
                main));
        for (Object argument : arguments) {
            command.add(argument.toString());
        }
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(
                        ProcessBuilder.Redirect.appendTo(path(name + ".log").toFile()));
        builder.environment().put("FLINK_CONF_DIR", path("conf").toString());
        Process process = builder.start();
        processes.add(process);
        return process;
    }

    private static void kill(Process process) {
        process.destroyForcibly().onExit().join();
    }

    private Path path(String name) {
        return folder.resolve(name);
    }

    /** One at a time: on a topic so new, what is sent ahead of a refused record is refused for ever. */
    private void send(String topic) throws Exception {
        Map<String, Object> client = Map.of("bootstrap.servers", "127.0.0.1:" + brokerPort);
        try (var producer = new KafkaProducer<>(client, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int i = 0; i < LISTS; i++) {
                byte[] list = CandidateListEncoder.encode(Lists.of("q" + i, CANDIDATES), OutputFormat.AVRO);
                var unused = producer.send(new ProducerRecord<>(topic, list)).get();
            }
        }
    }

    private KafkaConsumer<byte[], byte[]> consumer(String topic) {
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", "127.0.0.1:" + brokerPort, "isolation.level", "read_committed"),
                new ByteArrayDeserializer(),
                new ByteArrayDeserializer());
        List<TopicPartition> partitions = new ArrayList<>();
        for (int i = 0; i < PARTITIONS; i++) {
            partitions.add(new TopicPartition(topic, i));
        }
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        return consumer;
    }

    private static void count(KafkaConsumer<byte[], byte[]> consumer, Map<String, Integer> answers, int enough)
            throws Exception {
        while (answers.size() < enough) {
            poll(consumer, answers);
        }
        System.out.println(answers.size() + " lists answered");
    }

    private static void poll(KafkaConsumer<byte[], byte[]> consumer, Map<String, Integer> answers) throws Exception {
        for (var record : consumer.poll(Duration.ofMillis(300))) {
            RerankedList answer = AnswerDecoder.decode(record.value()).list();
            assertThat(answer.status()).isEqualTo(ListStatus.COMPLETE);
            assertThat(answer.results()).hasSize(CANDIDATES);
            answers.merge(answer.requestId(), 1, Integer::sum);
        }
    }

    private static int freePort() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The broker's process: folder and port. */
    static final class Broker {
        public static void main(String[] args) throws InterruptedException {
            try (var broker = EmbeddedBroker.start(Path.of(args[0]), Integer.parseInt(args[1]))) {
                System.out.println("at " + broker.bootstrapServers());
                new CountDownLatch(1).await();
            }
        }
    }
}
