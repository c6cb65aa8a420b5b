package io.lychee.rerank.qwen;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.lychee.rerank.torch.TorchDevice;
import org.junit.jupiter.api.Test;

class OutOfMemoryTest {

    @Test
    void pytorchsWordsAreUnderstood() {
        try (NDManager manager = NDManager.newBaseManager(TorchDevice.javaSide(), "PyTorch")) {
            assertThat(QwenScorer.isOutOfMemory(catchThrowable(() -> manager.zeros(new Shape(1L << 46)))))
                    .isTrue();
        }
        assertThat(QwenScorer.isOutOfMemory(new RuntimeException("CUDA out of memory. Tried to allocate 2.00 GiB.")))
                .isTrue();
        assertThat(QwenScorer.isOutOfMemory(new RuntimeException("CUDA error: device-side assert triggered")))
                .isFalse();
        assertThat(QwenScorer.isOutOfMemory(new RuntimeException())).isFalse();
    }
}
