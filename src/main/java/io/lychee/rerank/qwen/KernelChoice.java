package io.lychee.rerank.qwen;

import io.lychee.rerank.torch.TorchDevice;
import io.lychee.rerank.torch.TorchRuntime;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Chooses attention kernels: FlashAttention on a GPU where it agrees with float32, else PyTorch's plain attention. */
public final class KernelChoice {

    private static final Logger LOG = LoggerFactory.getLogger(KernelChoice.class);

    private static final String FLASH = "FlashAttention";
    private static final String PLAIN = "scaled_dot_product_attention";

    /** The largest error of FlashAttention in bfloat16 against float32; its outputs are up to about 3. */
    private static final double FLASH_TOLERANCE = 0.05;

    private KernelChoice() {}

    /**
     * Checks FlashAttention on this very device, uses it when it passes, and returns the name of the kernels in use.
     */
    static String choose(QwenNetwork network, TorchDevice device) {
        if (device.isCpu()) {
            return PLAIN;
        }
        try {
            double error = network.flashError();
            if (error < FLASH_TOLERANCE) {
                network.useFlash(true);
                return FLASH;
            }
            LOG.warn(
                    "FlashAttention on {} is {} away from float32 where {} is allowed",
                    device.name(),
                    error,
                    FLASH_TOLERANCE);
        } catch (RuntimeException e) {
            LOG.warn("{} has no FlashAttention: {}", device.name(), TorchRuntime.reason(e));
        }
        return PLAIN;
    }

    /** Describes a device before a network is loaded: name, dtype, and the kernels it can use. */
    public static String describe(TorchDevice device) {
        return device.name() + " in " + device.dtype() + " with "
                + (device.isCpu() ? PLAIN : FLASH + " where it passes a check at start, else " + PLAIN);
    }
}
