package io.lychee.rerank.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MemoryCheckTest {

    @TempDir
    private Path folder;

    @Test
    void onlyShardsOfTheIndexCount() throws IOException {
        shard("consolidated.safetensors", 1000);
        shard("model-1.safetensors", 10);
        shard("model-2.safetensors", 7);
        Files.writeString(folder.resolve("model.safetensors.index.json"), """
                {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}}
                """);
        assertThat(weights()).isEqualTo(17);

        Files.delete(folder.resolve("model-2.safetensors"));
        assertThatThrownBy(this::weights)
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("has no model-2.safetensors");
    }

    @Test
    void aSingleFileCountsAlone() throws IOException {
        shard("adapter.safetensors", 1000);
        assertThatThrownBy(this::weights)
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("has neither model.safetensors nor model.safetensors.index.json");

        shard("model.safetensors", 42);
        assertThat(weights()).isEqualTo(42);
    }

    private long weights() {
        return MemoryCheck.weights(CheckpointFiles.of(folder.toString()));
    }

    private void shard(String name, int bytes) throws IOException {
        Files.write(folder.resolve(name), new byte[bytes]);
    }
}
