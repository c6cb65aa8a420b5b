package io.lychee.rerank.cli;

import io.lychee.rerank.config.Delivery;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** {@link JobRestartTest} at length: 20 rounds of {@code kill -9} and 5 of SIGTERM. */
@Tag("soak")
@Timeout(2400)
class JobSoakTest {

    private static final int TERMINATIONS = 5;
    private static final int KILLS_BEFORE_EACH = 4;

    @TempDir
    private Path folder;

    @ParameterizedTest
    @EnumSource(Delivery.class)
    void aJobThatIsKilledOrStoppedGoesOn(Delivery delivery) throws Exception {
        try (JobRounds rounds = new JobRounds(folder, delivery, System.nanoTime())) {
            for (int i = 0; i < TERMINATIONS; i++) {
                for (int kill = 0; kill < KILLS_BEFORE_EACH; kill++) {
                    rounds.kill();
                }
                rounds.terminate();
                System.out.println(rounds);
            }
            rounds.requireKept();
        }
    }
}
