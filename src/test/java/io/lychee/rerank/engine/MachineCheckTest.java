package io.lychee.rerank.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MachineCheckTest {

    @TempDir
    private Path folder;

    @Test
    void thisMachineIsUsable() {
        assertThat(MachineCheck.require()).contains("open files", System.getProperty("java.io.tmpdir"), ".djl.ai");
    }

    @Test
    void aFullFolderIsNamed() {
        assertThatThrownBy(() -> MachineCheck.requireRoom(folder, Long.MAX_VALUE))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining(folder.toString())
                .hasMessageContaining("MB free; expected")
                .hasMessageContaining("java.io.tmpdir");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void aFolderThatCannotBeWrittenIsNamedWithItsKey() throws IOException {
        Path file = Files.createFile(folder.resolve("file"));
        assertThatThrownBy(() -> MachineCheck.requireWritable(file.resolve("cache"), "a cache", "DJL_CACHE_DIR"))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining(file + "/cache can't be written (a cache)")
                .hasMessageContaining("DJL_CACHE_DIR");
    }

    @Test
    void tooFewOpenFilesAreNamed() {
        assertThatThrownBy(() -> MachineCheck.requireOpenFiles(511))
                .isInstanceOf(ConfigException.class)
                .hasMessage("this process may open 511 files; expected at least 512 (ulimit -Hn)");
    }
}
