package io.lychee.rerank.cli;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.StringReader;
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
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.metadata.storage.Formatter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Runs a Kafka broker in this process, reachable from this machine only: one node that is its own controller. */
public final class EmbeddedBroker implements AutoCloseable {

    /** Timeout of a request to a broker that has just started. */
    public static final Duration TIMEOUT = Duration.ofSeconds(30);

    private static final Logger LOG = LoggerFactory.getLogger(EmbeddedBroker.class);
    private static final String HOST = "127.0.0.1";
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

    /** Starts on a free port, with its data in a temporary folder that close() deletes. */
    public static EmbeddedBroker start() {
        return start(0);
    }

    /** @param port 0 takes a free one */
    public static EmbeddedBroker start(int port) {
        Path temporary = Path.of(System.getProperty("java.io.tmpdir"));
        try {
            return start(Files.createTempDirectory(temporary, "lychee-broker-"), port, true, Map.of());
        } catch (IOException e) {
            throw new ConfigException("no folder for the broker in " + temporary + " (java.io.tmpdir): " + e, e);
        }
    }

    /**
     * Starts with its data in {@code folder}, and serves again what an earlier broker left there.
     *
     * @param folder is created when missing
     * @throws ConfigException when the port is in use or the folder can't be used
     */
    public static EmbeddedBroker start(Path folder, int port) {
        return start(folder, port, false, Map.of());
    }

    /** @param settings of Kafka, on top of those an embedded broker needs */
    static EmbeddedBroker start(Path folder, int wantedPort, boolean temporary, Map<String, String> settings) {
        int port = freePort(wantedPort);
        Properties properties = properties(folder, port, freePort(0));
        properties.putAll(settings);
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
            KafkaRaftServer server = new KafkaRaftServer(KafkaConfig.fromProps(properties, false), Time.SYSTEM);
            broker = new EmbeddedBroker(server, port, folder, temporary);
            server.startup();
            return broker;
        } catch (RuntimeException e) {
            if (broker != null) {
                broker.close();
            }
            throw new ConfigException("the embedded broker can't start in " + folder + ": " + e.getMessage(), e);
        }
    }

    /** Refuses a locked folder before Kafka does, which would end the whole process. */
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

    public String bootstrapServers() {
        return HOST + ":" + port;
    }

    public Path folder() {
        return folder;
    }

    /** Returns within 15 seconds, even when the broker hangs. */
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
        if (temporary && !TempFolder.delete(folder)) {
            LOG.warn("the broker's temporary folder {} can't be deleted", folder);
        }
    }

    private static void format(Path folder) throws Exception {
        new Formatter()
                .setPrintStream(new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8))
                .setNodeId(1)
                .setClusterId(Uuid.randomUuid().toString())
                .setControllerListenerName("CONTROLLER")
                .setMetadataLogDirectory(folder.toString())
                .addDirectory(folder.toString())
                .run();
    }

    private static Properties properties(Path folder, int port, int controllerPort) {
        Properties properties = new Properties();
        try {
            properties.load(new StringReader("""
                process.roles=broker,controller
                node.id=1
                controller.quorum.voters=1@HOST:CONTROLLER_PORT
                listeners=PLAINTEXT://HOST:BROKER_PORT,CONTROLLER://HOST:CONTROLLER_PORT
                advertised.listeners=PLAINTEXT://HOST:BROKER_PORT
                controller.listener.names=CONTROLLER
                listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
                inter.broker.listener.name=PLAINTEXT
                message.max.bytes=67108864
                replica.fetch.max.bytes=67108864
                socket.request.max.bytes=134217728
                auto.create.topics.enable=false
                group.initial.rebalance.delay.ms=0
                log.cleaner.dedupe.buffer.size=2097152
                offsets.topic.replication.factor=1
                offsets.topic.num.partitions=1
                transaction.state.log.replication.factor=1
                transaction.state.log.min.isr=1
                transaction.state.log.num.partitions=1
                share.coordinator.state.topic.replication.factor=1
                share.coordinator.state.topic.min.isr=1
                share.coordinator.state.topic.num.partitions=1
                """.replace("HOST", HOST)
                    .replace("CONTROLLER_PORT", Integer.toString(controllerPort))
                    .replace("BROKER_PORT", Integer.toString(port))));
        } catch (IOException e) {
            throw new UncheckedIOException(e); // a string can be read
        }
        properties.setProperty("log.dirs", folder.toString());
        return properties;
    }

    /** Returns {@code wanted}, or a free port for 0. */
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
}
