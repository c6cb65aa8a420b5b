package io.lychee.rerank.torch;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TorchRuntimeTest {

    private static final String JNI = "2.7.1-0.35.1";

    @TempDir
    private Path libtorch;

    private Path folder;

    @BeforeEach
    void unpack() throws Exception {
        folder = Files.createDirectory(libtorch.resolve("lib"));
        Files.createFile(folder.resolve(System.mapLibraryName("torch")));
    }

    @Test
    void theLibrariesOfThisBuildFit() {
        assertThatCode(TorchRuntime::requireMatchingLibraries).doesNotThrowAnyException();
    }

    @Test
    void anArchiveOfTheSameVersionFits() throws Exception {
        Files.writeString(libtorch.resolve("build-version"), "2.7.1+cu128\n");
        assertThatCode(() -> TorchRuntime.requireMatchingLibraries(folder, JNI, "cu128"))
                .doesNotThrowAnyException();
    }

    @Test
    void aPackageOfAnotherVersionIsRefused() throws Exception {
        Files.writeString(libtorch.resolve("version.py"), "import typing\n__version__ = '2.11.0+cu130'\n");
        assertThatThrownBy(() -> TorchRuntime.requireMatchingLibraries(folder, JNI, "cu128"))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("PYTORCH_LIBRARY_PATH is " + folder + " with PyTorch 2.11.0")
                .hasMessageContaining("JNI library is for 2.7.1");
    }

    @Test
    void aJniLibraryBesideItIsTakenAtItsWord() throws Exception {
        Files.writeString(libtorch.resolve("build-version"), "2.11.0+cu130\n");
        Files.createFile(folder.resolve(System.mapLibraryName("djl_torch")));
        assertThatCode(() -> TorchRuntime.requireMatchingLibraries(folder, JNI, "cu130"))
                .doesNotThrowAnyException();
    }

    @Test
    void aFolderWithoutLibtorchIsRefused() {
        assertThatThrownBy(() -> TorchRuntime.requireMatchingLibraries(libtorch, JNI, "cu128"))
                .hasMessageContaining("expected the folder that holds " + System.mapLibraryName("torch"));
    }

    @Test
    void aMissingFlavorIsRefused() {
        assertThatThrownBy(() -> TorchRuntime.requireMatchingLibraries(folder, JNI, null))
                .hasMessageContaining("PYTORCH_FLAVOR is not");
    }
}
