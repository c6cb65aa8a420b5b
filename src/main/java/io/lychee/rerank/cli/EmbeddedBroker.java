package io.lychee.rerank.cli;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Stream;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.metadata.storage.Formatter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A Kafka broker in this process, reachable from this machine only: one node that is its own controller. What it holds
 * lies in one folder, which a later broker can take over.
 */
public final class EmbeddedBroker implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(EmbeddedBroker.class);
    private static final String HOST = "127.0.0.1";
    private static final int MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
    private static final long CLOSE_MS = 15_000;

    private final KafkaRaftServer server;
    private final int port;
    private final Path folder;
    private final boolean temporary;

    private EmbeddedBroker(KafkaRaftServer server, int port, Path folder, boolean temporary) {
        this.server = server;
        this.port = port;
        this.folder = folder;
        this.temporary = temporary;
    }

    /** On a free port, with its data in a temporary folder that close() deletes. */
    public static EmbeddedBroker start() {
        return start(0);
    }

    /**
     * With its data in a temporary folder that close() deletes.
     *
     * @param port 0 takes a free one
     */
    public static EmbeddedBroker start(int port) {
        Path temporary = Path.of(System.getProperty("java.io.tmpdir"));
        try {
            return start(Files.createTempDirectory(temporary, "lychee-broker-"), port, true, Map.of());
        } catch (IOException e) {
            throw new ConfigException("no folder for the broker in " + temporary + " (java.io.tmpdir): " + e, e);
        }
    }

    /**
     * @param folder is created when missing; what an earlier broker left there is served again
     * @param port 0 takes a free one
     * @throws ConfigException in one sentence, when the port is in use or the folder can't be used
     */
    public static EmbeddedBroker start(Path folder, int port) {
        return start(folder, port, false, Map.of());
    }

    /** @param settings of Kafka, on top of what an embedded one needs */
    static EmbeddedBroker start(Path folder, int wantedPort, boolean temporary, Map<String, String> settings) {
        int port = freePort(wantedPort);
        Properties properties = properties(folder, port, freePort(0));
        properties.putAll(settings);
        KafkaConfig config = KafkaConfig.fromProps(properties, false);
        try {
            Files.createDirectories(folder);
            requireUnlocked(folder);
            if (!Files.exists(folder.resolve("meta.properties"))) {
                format(folder);
            }
        } catch (ConfigException e) {
            throw e;
        } catch (Exception e) { // Formatter.run declares it
            throw new ConfigException("the broker's folder " + folder + " can't be prepared: " + e, e);
        }
        EmbeddedBroker broker = null;
        try {
            broker = new EmbeddedBroker(new KafkaRaftServer(config, Time.SYSTEM), port, folder, temporary);
            broker.server.startup();
            return broker;
        } catch (RuntimeException e) {
            if (broker != null) {
                broker.close();
            }
            throw new ConfigException("the embedded broker can't start in " + folder + ": " + e.getMessage(), e);
        }
    }

    /** Kafka ends the whole process when another broker holds its folder; this asks before it does. */
    private static void requireUnlocked(Path folder) throws IOException {
        try (FileChannel file =
                        FileChannel.open(folder.resolve(".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock lock = file.tryLock()) {
            if (lock == null) {
                throw inUse(folder);
            }
        } catch (OverlappingFileLockException e) {
            throw inUse(folder); // by this very process
        }
    }

    private static ConfigException inUse(Path folder) {
        return new ConfigException("the embedded broker can't start in " + folder + ": another one runs there");
    }

    /** host:port of this broker. */
    public String bootstrapServers() {
        return HOST + ":" + port;
    }

    /** Where its data lies. */
    public Path folder() {
        return folder;
    }

    /** Ends within 15 seconds, whatever the broker does. */
    @Override
    public void close() {
        Thread stop = new Thread(
                () -> {
                    server.shutdown();
                    server.awaitShutdown();
                },
                "embedded-broker-stop");
        stop.setDaemon(true);
        stop.start();
        try {
            stop.join(CLOSE_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (stop.isAlive()) {
            LOG.warn("the embedded broker did not stop within {} s; left behind", CLOSE_MS / 1000);
        }
        if (temporary) {
            delete(folder);
        }
    }

    private static void format(Path folder) throws Exception {
        PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8);
        new Formatter()
                .setPrintStream(nowhere)
                .setNodeId(1)
                .setClusterId(Uuid.randomUuid().toString())
                .setControllerListenerName("CONTROLLER")
                .setMetadataLogDirectory(folder.toString())
                .addDirectory(folder.toString())
                .run();
    }

    private static Properties properties(Path folder, int port, int controllerPort) {
        Properties p = new Properties();
        p.setProperty("process.roles", "broker,controller");
        p.setProperty("node.id", "1");
        p.setProperty("controller.quorum.voters", "1@" + HOST + ":" + controllerPort);
        p.setProperty("listeners", "PLAINTEXT://" + HOST + ":" + port + ",CONTROLLER://" + HOST + ":" + controllerPort);
        p.setProperty("advertised.listeners", "PLAINTEXT://" + HOST + ":" + port);
        p.setProperty("controller.listener.names", "CONTROLLER");
        p.setProperty("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT");
        p.setProperty("inter.broker.listener.name", "PLAINTEXT");
        p.setProperty("log.dirs", folder.toString());
        p.setProperty("message.max.bytes", Integer.toString(MAX_MESSAGE_BYTES));
        p.setProperty("replica.fetch.max.bytes", Integer.toString(MAX_MESSAGE_BYTES));
        p.setProperty("socket.request.max.bytes", Integer.toString(2 * MAX_MESSAGE_BYTES));
        p.setProperty("auto.create.topics.enable", "false");
        p.setProperty("group.initial.rebalance.delay.ms", "0");
        p.setProperty("log.cleaner.dedupe.buffer.size", "2097152");
        for (String one : List.of(
                "offsets.topic.replication.factor",
                "offsets.topic.num.partitions",
                "transaction.state.log.replication.factor",
                "transaction.state.log.min.isr",
                "transaction.state.log.num.partitions",
                "share.coordinator.state.topic.replication.factor",
                "share.coordinator.state.topic.min.isr",
                "share.coordinator.state.topic.num.partitions")) {
            p.setProperty(one, "1");
        }
        return p;
    }

    /** {@code wanted}, or any that is free for 0. */
    private static int freePort(int wanted) {
        try (ServerSocket socket = new ServerSocket(wanted, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new ConfigException(
                    "port " + wanted + " of " + HOST + " can't be used for the embedded broker: " + e.getMessage()
                            + "; name another one, or none to take a free one (--broker-port)",
                    e);
        }
    }

    private static void delete(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        } catch (IOException | UncheckedIOException e) {
            LOG.warn("the broker's temporary folder {} can't be deleted: {}", folder, e.toString());
        }
    }
}
