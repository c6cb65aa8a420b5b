package io.lychee.rerank.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.config.OnDeath;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.scoring.ForwardingScorer;
import io.lychee.rerank.scoring.Lists;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.PassHandle;
import io.lychee.rerank.scoring.Scorer;
import io.lychee.rerank.scoring.ScoringException;
import io.lychee.rerank.scoring.TestingEncoder;
import io.lychee.rerank.scoring.TestingScorer;
import io.lychee.rerank.scoring.Ticker;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Asserts that a process survives a device failure with another engine, and ends after a hang. */
@Timeout(120)
class DeadDeviceTest {

    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource({
        "FAIL, FAILS, 0, another engine answered",
        "EXIT, FAILS, 70, engine.on-death",
        "FAIL, HANGS, 70, pass.timeout",
        "EXIT, HANGS, 70, pass.timeout",
        "FAIL, FAILS_AND_HANGS, 70, does not come back"
    })
    void aDeviceThatHangsEndsItsProcess(OnDeath choice, Fault fault, int exitCode, String said) throws Exception {
        Path log = folder.resolve("log");
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Dying.class.getName(),
                        choice.name(),
                        fault.name())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();

        assertThat(process.waitFor()).as(Files.readString(log)).isEqualTo(exitCode);
        assertThat(Files.readAllLines(log)).anyMatch(line -> line.startsWith("lychee: ") && line.contains(said));
    }

    /** The fault of the first device. */
    enum Fault {
        FAILS,
        HANGS,
        /** Reports an error from one thread, and hangs in another. */
        FAILS_AND_HANGS
    }

    /** Runs a process with a faulty first device and a second one. */
    static final class Dying {
        public static void main(String[] args) {
            OnDeath choice = OnDeath.valueOf(args[0]);
            try (EngineRegistry.Lease first = lease(choice, new FaultyScorer(Fault.valueOf(args[1])))) {
                var unused = first.submit(Lists.of("q", 1), Lists.realtime());
                first.submit(Lists.of("q", 30), Lists.realtime()).join();
            } catch (CompletionException e) {
                // try once more, as Flink does
            }
            try (EngineRegistry.Lease second = lease(choice, new TestingScorer())) {
                second.engine().submit(Lists.of("q", 1), Lists.realtime()).join();
                System.out.println("lychee: another engine answered");
            }
        }

        private static EngineRegistry.Lease lease(OnDeath choice, Scorer scorer) {
            return EngineRegistry.lease(
                    new EngineRegistry.Key("dying", ""),
                    List.of("cpu"),
                    device -> new Engine(
                            new TestingEncoder(),
                            scorer,
                            Lists.settings(60, 1 << 20, Duration.ofMillis(300), Duration.ofSeconds(60)),
                            Ticker.system(),
                            QwenEngineFactory.onDeath(choice)),
                    Duration.ofMinutes(5));
        }
    }

    /** Hangs the thread that starts passes, in the first or the second pass. */
    private static final class FaultyScorer implements ForwardingScorer {

        private final Scorer scorer = new TestingScorer();
        private final Fault fault;
        private final CountDownLatch hanging = new CountDownLatch(1);
        private int passes;

        FaultyScorer(Fault fault) {
            this.fault = fault;
        }

        @Override
        public Scorer scorer() {
            return scorer;
        }

        @Override
        public PassHandle start(Pass pass) {
            if (fault == Fault.FAILS) {
                throw new ScoringException("as if the device had failed");
            }
            if (fault == Fault.HANGS || passes++ > 0) {
                hanging.countDown();
                while (true) {
                    LockSupport.park(); // a native call can't be interrupted
                }
            }
            return () -> {
                try {
                    hanging.await();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
                throw new ScoringException("as if the device had failed");
            };
        }

        @Override
        public boolean isAsynchronous() {
            return true;
        }
    }
}
