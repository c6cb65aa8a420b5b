package io.lychee.rerank.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import org.junit.jupiter.api.Test;

class OutOfMemoryTest {

    @Test
    void pytorchsWordsAreUnderstood() {
        try (NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            assertThat(TorchRuntime.isOutOfMemory(catchThrowable(() -> manager.zeros(new Shape(1L << 46)))))
                    .isTrue();
        }
        assertThat(TorchRuntime.isOutOfMemory(new RuntimeException("CUDA out of memory. Tried to allocate 2.00 GiB.")))
                .isTrue();
        assertThat(TorchRuntime.isOutOfMemory(new RuntimeException("CUDA error: device-side assert triggered")))
                .isFalse();
        assertThat(TorchRuntime.isOutOfMemory(new RuntimeException())).isFalse();
    }
}
