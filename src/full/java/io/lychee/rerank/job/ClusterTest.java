package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.config.Delivery;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.qwen.QwenScorer;
import io.lychee.rerank.scoring.DeviceMemoryException;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineFactory;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.scoring.ForwardingScorer;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.PassHandle;
import io.lychee.rerank.scoring.Scorer;
import io.lychee.rerank.scoring.ScoringException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Broker, ZooKeeper, JobManager and three task managers, each a process of its own on this test's class path. While
 * lists are reranked, two task managers are killed, the broker and the JobManager are killed and started again; or one
 * device breaks.
 */
@Tag("full")
@Timeout(900)
class ClusterTest {

    private static final int LISTS = Integer.getInteger("lychee.full.lists", 5000);
    /** What one device is to suffer from; in the test's folder. */
    private static final String FAULT = "fault";

    @TempDir(cleanup = CleanupMode.ON_SUCCESS)
    private Path folder;

    @SuppressWarnings("NullAway.Init") // JUnit sets it
    private ClusterProcesses cluster;

    @BeforeEach
    void prepare() {
        cluster = new ClusterProcesses(folder);
    }

    @AfterEach
    void stop() {
        cluster.close();
    }

    @ParameterizedTest
    @EnumSource(Delivery.class)
    void killsLoseNothing(Delivery delivery) throws Exception {
        Process broker = cluster.start();
        Process jobManager = cluster.jobManager();
        List<Process> taskManagers = List.of(cluster.taskManager(1), cluster.taskManager(2), cluster.taskManager(3));
        try (ClusterTraffic traffic = new ClusterTraffic(cluster.kafka(delivery))) {
            cluster.submit(RerankJob.class, delivery);
            traffic.sendUntilAnswered(LISTS / 5);
            ClusterProcesses.kill(taskManagers.get(0));
            cluster.taskManager(4);
            traffic.sendUntilAnswered(LISTS * 2 / 5);
            ClusterProcesses.kill(broker);
            cluster.broker();
            traffic.sendUntilAnswered(LISTS * 3 / 5);
            ClusterProcesses.kill(jobManager);
            cluster.jobManager();
            traffic.sendUntilAnswered(LISTS * 4 / 5);
            ClusterProcesses.kill(taskManagers.get(1));
            cluster.taskManager(5);
            traffic.sendUntilAnswered(LISTS);
            traffic.assertAllAnswered(delivery);
        }
    }

    @ParameterizedTest
    @EnumSource(Fault.class)
    void aBrokenEngineAnswersNothingAndAnotherAll(Fault fault) throws Exception {
        cluster.start();
        cluster.jobManager();
        List<Process> taskManagers = List.of(cluster.taskManager(1), cluster.taskManager(2), cluster.taskManager(3));
        try (ClusterTraffic traffic = new ClusterTraffic(cluster.kafka(Delivery.AT_LEAST_ONCE))) {
            cluster.submit(FaultyJob.class, Delivery.AT_LEAST_ONCE);
            traffic.sendUntilAnswered(LISTS / 5);
            Path written = Files.writeString(cluster.path("fault.new"), fault.name());
            Files.move(written, cluster.path(FAULT));
            traffic.sendUntilAnswered(LISTS);
            traffic.assertAllAnswered(Delivery.AT_LEAST_ONCE);
        }
        assertThat(taskManagers.stream().filter(process -> !process.isAlive()))
                .singleElement()
                .satisfies(process -> assertThat(process.exitValue()).isEqualTo(QwenEngineFactory.DEAD_DEVICE));
    }

    /** What one device of the cluster suffers from, from one moment on. */
    enum Fault {
        ERROR,
        NO_MEMORY,
        HANG
    }

    /** {@link RerankJob} with real engines, of which the first that finds the file {@link #FAULT} breaks. */
    public static final class FaultyJob {
        public static void main(String[] args) throws Exception {
            Map<String, String> keys = new HashMap<>(Map.of("engine.on-death", "exit"));
            for (int i = 1; i < args.length; i += 2) {
                String[] pair = args[i].split("=", 2);
                keys.put(pair[0], pair[1]);
            }
            RerankConfig config = RerankConfig.of(keys);
            StreamExecutionEnvironment env = RerankJob.environment(config);
            String file = Path.of(System.getenv("FLINK_CONF_DIR"), "..", FAULT).toString();
            RerankJob.build(env, config, new FaultyEngines(config, file));
            var unused = env.execute("lychee-rerank");
        }
    }

    private record FaultyEngines(RerankConfig config, String file) implements EngineFactory {

        @Override
        public EngineRegistry.Lease lease(List<Integer> gpus) {
            return EngineRegistry.lease(
                    new EngineRegistry.Key("faulty", ""), List.of("cpu"), this::open, Duration.ofMinutes(5));
        }

        private Engine open(String device) {
            QwenEngineFactory engines = new QwenEngineFactory(config);
            return engines.open(encoder -> new FaultyScorer(
                    QwenScorer.open(
                            config.model(), device, engines.bounds(), encoder.yesId(), encoder.noId(), progress -> {}),
                    Path.of(file)));
        }
    }

    private static final class FaultyScorer implements ForwardingScorer {

        private final Scorer scorer;
        private final Path file;
        private @Nullable Fault fault;

        FaultyScorer(Scorer scorer, Path file) {
            this.scorer = scorer;
            this.file = file;
        }

        @Override
        public Scorer scorer() {
            return scorer;
        }

        @Override
        public PassHandle start(Pass pass) {
            if (fault == null && Files.exists(file)) {
                fault = claim();
            }
            if (fault == null) {
                return scorer.start(pass);
            }
            return switch (fault) {
                case ERROR -> throw new ScoringException("as if the device had failed");
                case NO_MEMORY -> throw new DeviceMemoryException("as if there were no memory", null);
                case HANG -> hang();
            };
        }

        /** Null where another process was faster. */
        private @Nullable Fault claim() {
            try {
                Path mine = Files.move(file, file.resolveSibling("fault.claimed"));
                return Fault.valueOf(Files.readString(mine));
            } catch (NoSuchFileException e) {
                return null;
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private static PassHandle hang() {
            while (true) {
                LockSupport.park(); // a native call can't be interrupted
            }
        }
    }
}
