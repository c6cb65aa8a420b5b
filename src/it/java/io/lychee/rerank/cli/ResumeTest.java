package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A backfill that is cut off goes on from its last checkpoint when the same command is given again. */
@Timeout(600)
class ResumeTest {

    @TempDir
    private Path folder;

    @Test
    void theSameCommandFinishesWhatAKilledRunBegan() throws Exception {
        Backfill backfill = new Backfill(folder, 1500);
        backfill.prepare();
        // of each list, one candidate is rejected
        Path lists = folder.resolve("lists.jsonl");
        Files.writeString(lists, Files.readString(lists).replace("\"mug\"", "\"\""));
        backfill.killOnceFinished(1, 0);
        List<String> done = backfill.finishedLines();
        assertThat(done).as("finished before the kill").isNotEmpty().hasSizeLessThan(backfill.lists());

        Cli resumed = Cli.run(backfill.command());

        assertThat(resumed.exitCode()).as(resumed.err()).isEqualTo(1);
        assertThat(resumed.err())
                .as("counted over both processes")
                .contains("1,500 of 6,000 candidates were rejected: EMPTY 1,500");
        backfill.assertEveryListOnceInOrder();
        assertThat(Files.readAllLines(backfill.output()))
                .as("what was finished is not done again")
                .containsAll(done);
        assertThat(resumed.err()).as("progress counts what was done before").contains("1500 of 1500 lists, ");
    }

    /** A file that may not grow stands for a disk that is full: it needs no privileges. */
    @Test
    void aFullDiskEndsItAndRoomLetsItGoOn() throws Exception {
        // unpacks what native libraries there are, which are larger than the limits below
        new Backfill(Files.createDirectory(folder.resolve("first")), 1).prepare();
        assertThat(Cli.run(new Backfill(folder.resolve("first"), 1).command()).exitCode())
                .isZero();
        Backfill backfill = new Backfill(folder, 600);
        backfill.prepare();

        for (long kib : new long[] {64, 400}) {
            // of the first not even a part can be written, of the second not the parts joined
            Cli full = backfill.withFilesOfAtMost(kib);
            assertThat(full.exitCode()).as(full.err()).isEqualTo(1);
            assertThat(full.err())
                    .contains("lychee: no room is left to write below " + folder)
                    .contains("make room and give the same command again");
            assertThat(backfill.output()).doesNotExist();
        }

        Cli roomy = Cli.run(backfill.command());
        assertThat(roomy.exitCode()).as(roomy.err()).isZero();
        backfill.assertEveryListOnceInOrder();
    }
}
