package io.lychee.rerank.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CheckpointFilesTest {

    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource(
            nullValues = "null",
            value = {
                "lychee-rerank-mm, vec-ai/lychee-rerank-mm, vec-ai/lychee-rerank-mm",
                "mine, vec-ai/lychee-rerank-mm, mine",
                "mine, null, mine",
                "mine, /data/models/lychee, mine",
                "mine, ./models/lychee, mine",
                "mine, lychee, mine",
                "mine, a/b/c, mine",
                "models--org--one/snapshots/abc, other/two, org/one",
            })
    void aHubsNameIsThatOfTheSameCheckpointOnly(String place, String saved, String name) throws IOException {
        Path directory = Files.createDirectories(folder.resolve(place));
        String json = saved == null ? "{}" : "{\"_name_or_path\": \"" + saved + "\"}";
        Files.writeString(directory.resolve("config.json"), json);

        assertThat(CheckpointFiles.of(directory.toString()).name()).isEqualTo(name);
    }
}
