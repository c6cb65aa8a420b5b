package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.apache.flink.util.FileUtils;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The folder that a job resumes from: its own, the newest, and of no other job. */
@Timeout(120)
class JobFolderTest {

    private final HeldJob held = new HeldJob();
    private final Path folder = Path.of(held.config().checkpointDir());

    @BeforeEach
    void release() {
        held.release();
    }

    @AfterEach
    void stop() {
        held.close();
    }

    /** A run that answers so many lists and drains, or is cut off. */
    private void run(int from, int to, boolean drains) throws Exception {
        held.send(from, to, 1);
        try (JobFolder opened = JobFolder.open(held.config(), false);
                EmbeddedFlink job = EmbeddedFlink.start(held.config(), held.engines(), opened)) {
            assertThat(held.answers(to - from)).doesNotHaveDuplicates();
            if (drains) {
                assertThat(job.drain(Duration.ofSeconds(60))).isZero();
            } else {
                held.awaitCommit();
            }
        }
    }

    @Test
    void aRunResumesFromTheLastCheckpointOrDrain() throws Exception {
        run(0, 10, false);
        run(10, 20, true);
        run(20, 30, true);

        try (JobFolder opened = JobFolder.open(held.config(), false)) {
            assertThat(opened.last()).isPresent();
        }
    }

    @Test
    void anotherJobsCheckpointsAreRefused() throws Exception {
        run(0, 4, true);
        held.keys.put("kafka.group-id", "other");

        assertThatThrownBy(() -> JobFolder.open(held.config(), false))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll(
                        folder.toString(), "group lychee-rerank", "group other", "--restart", "job.checkpoint-dir");
        try (JobFolder anew = JobFolder.open(held.config(), true)) {
            assertThat(anew.last()).isEmpty();
        }
    }

    @Test
    void checkpointsOlderThanTheGroupsOffsetsAreRefused() throws Exception {
        run(0, 4, false);
        Path older = held.broker.folder().resolve("older");
        FileUtils.copy(
                new org.apache.flink.core.fs.Path(folder.toUri()),
                new org.apache.flink.core.fs.Path(older.toUri()),
                false);
        run(4, 8, true);
        held.keys.put("job.checkpoint-dir", older.toString());

        assertThatThrownBy(() -> JobFolder.open(held.config(), false))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("committed by checkpoint", "expected none after checkpoint", "--restart");
    }

    @Test
    void offsetsThatAnotherJobCommittedAreRefused() throws Exception {
        run(0, 4, true);
        try (EmbeddedFlink other = EmbeddedFlink.start(held.config(), held.engines(), "other")) {
            held.send(4, 8, 1);
            assertThat(held.answers(4)).hasSize(4);
            held.awaitCommit();
            assertThat(other.result()).isNotDone();
        }

        assertThatThrownBy(() -> JobFolder.open(held.config(), false))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("committed by another job", "--restart");
    }

    @Test
    void aFolderThatIsNotOursIsLeftAlone() throws Exception {
        Path mine = Files.createDirectories(folder).resolve("mine.txt");
        Files.writeString(mine, "mine");

        assertThatThrownBy(() -> JobFolder.open(held.config(), true))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll(folder.toString(), "job.checkpoint-dir");
        assertThat(mine).hasContent("mine");
    }

    @Test
    void aFolderInUseIsRefused() throws Exception {
        try (JobFolder first = JobFolder.open(held.config(), false)) {
            assertThat(first.path()).isEqualTo(folder);
            assertThatThrownBy(() -> JobFolder.open(held.config(), false))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("is in use by another job");
        }
    }
}
