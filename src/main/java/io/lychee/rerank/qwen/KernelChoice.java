package io.lychee.rerank.qwen;

import io.lychee.rerank.scoring.Fallback;
import io.lychee.rerank.torch.FusedKernels;
import io.lychee.rerank.torch.TorchDevice;
import io.lychee.rerank.torch.TorchRuntime;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Chooses kernels on a GPU: own ones and FlashAttention, each where it agrees with PyTorch's plain operations on this
 * very device.
 *
 * @param flash whether attention is FlashAttention's
 * @param fused whether own kernels run ({@code torchscript/shared/cuda/kernels.cu})
 */
public record KernelChoice(boolean flash, boolean fused) {

    private static final Logger LOG = LoggerFactory.getLogger(KernelChoice.class);

    private static final KernelChoice PLAIN = new KernelChoice(false, false);

    /** The largest error of FlashAttention in bfloat16 against float32; its outputs are up to about 3. */
    private static final double FLASH_TOLERANCE = 0.05;

    /** Operations of fused.py. */
    private static final List<String> OPERATIONS = List.of("rotate", "silu_mul", "rms", "add_rms", "rows");

    /** The largest relative error of an own kernel: three roundings to bfloat16, or one step of e4m3, 1 / 8. */
    private static final double TOLERANCE = 0.02;

    private static final double E4M3_TOLERANCE = 0.15;

    /** Names what is slower than this device could. */
    Set<Fallback> fallbacks(TorchDevice device) {
        Set<Fallback> fallbacks = EnumSet.noneOf(Fallback.class);
        if (mayBeFast(device) && !flash) {
            fallbacks.add(Fallback.ATTENTION);
        }
        if (mayBeFast(device) && !fused) {
            fallbacks.add(Fallback.KERNELS);
        }
        return fallbacks;
    }

    /** Faster kernels are for 16 bits on a GPU. */
    private static boolean mayBeFast(TorchDevice device) {
        return !device.isCpu() && device.bytesPerNumber() == 2;
    }

    /** Checks each kernel and uses those that pass for the next passes; logs the others with their reason. */
    static KernelChoice choose(QwenNetwork network, TorchDevice device) {
        if (!mayBeFast(device)) {
            return PLAIN;
        }
        return new KernelChoice(flash(network, device), fused(network, device));
    }

    private static boolean flash(QwenNetwork network, TorchDevice device) {
        try {
            double error = network.flashError();
            if (error < FLASH_TOLERANCE) {
                network.useFlash(true);
                return true;
            }
            LOG.warn(
                    "FlashAttention on {} is {} away from float32 where {} is allowed: using plain attention",
                    device.name(),
                    error,
                    FLASH_TOLERANCE);
        } catch (RuntimeException e) {
            LOG.warn("{} has no FlashAttention: {}", device.name(), TorchRuntime.reason(e));
        }
        return false;
    }

    private static boolean fused(QwenNetwork network, TorchDevice device) {
        try {
            FusedKernels.compile(device);
            for (String operation : OPERATIONS) {
                check(operation, network.fusedError(operation, false), TOLERANCE);
                if (device.e4m3()) {
                    check(operation + " to e4m3", network.fusedError(operation, true), E4M3_TOLERANCE);
                }
            }
            network.useFused(true);
            return true;
        } catch (RuntimeException | LinkageError e) {
            LOG.warn(
                    "{} runs PyTorch's operations, which are slower than own kernels: {}",
                    device.name(),
                    e.getMessage() == null ? e.toString() : e.getMessage());
            return false;
        }
    }

    private static void check(String operation, double error, double tolerance) {
        LOG.debug("own kernel {}: relative error {}", operation, error);
        if (!(error <= tolerance)) {
            throw new IllegalStateException("own kernel %s is %.3g away from PyTorch's operations where %s is allowed"
                    .formatted(operation, error, tolerance));
        }
    }

    /** Names the kernels in use. */
    @Override
    public String toString() {
        return (flash ? "FlashAttention" : "plain attention") + (fused ? " and own kernels" : "");
    }

    /** Describes a device before a network is loaded: name, dtype, and the kernels it can use. */
    public static String describe(TorchDevice device) {
        return device.name() + " in " + device.precision() + " with "
                + (!mayBeFast(device)
                        ? PLAIN
                        : new KernelChoice(true, true)
                                + " where they pass a check at start, else PyTorch's operations");
    }
}
