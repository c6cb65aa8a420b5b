package io.lychee.rerank.cli;

import io.lychee.rerank.config.Delivery;
import java.nio.file.Path;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The same command loses nothing, however its last process ended. */
@Timeout(300)
class JobRestartTest {

    private static final int KILLS = 1;

    @TempDir
    private Path folder;

    @ParameterizedTest
    @EnumSource(Delivery.class)
    void aJobThatIsKilledOrStoppedGoesOn(Delivery delivery) throws Exception {
        try (JobRounds rounds = new JobRounds(folder, delivery, System.nanoTime())) {
            for (int kill = 0; kill < KILLS; kill++) {
                rounds.kill();
            }
            rounds.terminate();
            rounds.requireKept();
        }
    }
}
