package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.Delivery;
import io.lychee.rerank.config.RerankConfig;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.jar.JarOutputStream;

/** Broker, ZooKeeper, JobManager and task managers, each a process of its own on this test's class path. */
final class ClusterProcesses implements AutoCloseable {

    private final Path folder;
    private final List<Process> processes = new ArrayList<>();
    private final int brokerPort = freePort();
    private final int zooKeeperPort = freePort();
    private final int restPort = freePort();

    ClusterProcesses(Path folder) {
        this.folder = folder;
    }

    @Override
    public void close() {
        processes.forEach(Process::destroyForcibly);
        processes.forEach(process -> process.onExit().join());
    }

    /** Broker and ZooKeeper. */
    Process start() throws IOException {
        configure();
        Process broker = broker();
        start(
                "zookeeper",
                "org.apache.flink.runtime.zookeeper.FlinkZooKeeperQuorumPeer",
                "--zkConfigFile",
                path("zoo.cfg"),
                "--peerId",
                "1");
        return broker;
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
        return Map.ofEntries(
                Map.entry("kafka.bootstrap-servers", "127.0.0.1:" + brokerPort),
                Map.entry("kafka.delivery-guarantee", delivery.toString()),
                Map.entry(
                        "model.checkpoint",
                        Path.of("src/test/resources/golden/checkpoint")
                                .toAbsolutePath()
                                .toString()),
                Map.entry("model.device", "cpu"),
                Map.entry("realtime.timeout", "0 s"),
                Map.entry("job.parallelism", "2"),
                Map.entry("job.checkpoint-interval", "1 s"),
                Map.entry("pass.timeout", "20 s"),
                Map.entry("flink.restart-strategy.type", "fixed-delay"),
                Map.entry("flink.restart-strategy.fixed-delay.attempts", "1000"),
                Map.entry("flink.restart-strategy.fixed-delay.delay", "500 ms"));
    }

    RerankConfig.Kafka kafka(Delivery delivery) {
        return RerankConfig.of(keys(delivery)).kafka();
    }

    Process broker() throws IOException {
        return start("broker", Broker.class.getName(), path("broker"), brokerPort);
    }

    Process jobManager() throws IOException {
        return start(
                "jobmanager",
                "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
                "--configDir",
                path("conf"));
    }

    Process taskManager(int number) throws IOException {
        return start(
                "taskmanager-" + number,
                "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
                "--configDir",
                path("conf"),
                "-D",
                "taskmanager.resource-id=tm" + number);
    }

    /** As a user does: {@code flink run}; the classes are on the cluster's class path. */
    void submit(Class<?> job, Delivery delivery) throws Exception {
        try (var jar = new JarOutputStream(Files.newOutputStream(path("empty.jar")))) {
            jar.finish();
        }
        List<Object> arguments = new ArrayList<>(List.of("run", "-d", "-c", job.getName(), path("empty.jar")));
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

    static void kill(Process process) {
        process.destroyForcibly().onExit().join();
    }

    Path path(String name) {
        return folder.resolve(name);
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
