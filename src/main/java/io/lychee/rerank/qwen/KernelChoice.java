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
 * @param flash whether FlashAttention runs, where own attention doesn't
 * @param fused whether own kernels run ({@code torchscript/shared/cuda/rows.cu})
 * @param attention whether own attention runs too, where it is faster ({@code torchscript/shared/cuda/attention.cu})
 */
public record KernelChoice(boolean flash, boolean fused, boolean attention) {

    private static final Logger LOG = LoggerFactory.getLogger(KernelChoice.class);

    private static final KernelChoice PLAIN = new KernelChoice(false, false, false);

    /** The largest error of attention in bfloat16 against float32; its outputs are up to about 3. */
    private static final double ATTENTION_TOLERANCE = 0.05;

    /** Operations of fused.py. */
    private static final List<String> OPERATIONS = List.of("rotate", "silu_mul", "rms", "add_rms", "rows");

    /** The largest relative error of an own kernel: three roundings to bfloat16, or one step of e4m3, 1 / 8. */
    private static final double TOLERANCE = 0.02;

    private static final double E4M3_TOLERANCE = 0.15;

    /** Names what is slower than this device could. */
    Set<Fallback> fallbacks(TorchDevice device) {
        Set<Fallback> fallbacks = EnumSet.noneOf(Fallback.class);
        if (mayBeFast(device) && !flash && !attention) {
            fallbacks.add(Fallback.ATTENTION);
        }
        if (mayBeFast(device) && !attention) {
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
        boolean flash = attention(network, device, false);
        boolean fused = fused(network, device);
        boolean attention = fused && attention(network, device, true);
        network.useFlash(flash);
        network.useFused(fused, attention);
        return new KernelChoice(flash, fused, attention);
    }

    private static boolean attention(QwenNetwork network, TorchDevice device, boolean own) {
        String name = own ? "own attention" : "FlashAttention";
        try {
            double error = network.attentionError(own);
            LOG.debug("{}: error {}", name, error);
            if (error < ATTENTION_TOLERANCE) {
                return true;
            }
            LOG.warn(
                    "{} runs without {}: it is {} away from float32 where {} is allowed",
                    device.name(),
                    name,
                    error,
                    ATTENTION_TOLERANCE);
        } catch (RuntimeException e) {
            LOG.warn("{} runs without {}: {}", device.name(), name, TorchRuntime.reason(e));
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
        String own = fused ? " and own kernels" : "";
        return (attention ? "own attention" : flash ? "FlashAttention" : "plain attention") + own;
    }

    /** Describes a device before a network is loaded: name, dtype, and the kernels it can use. */
    public static String describe(TorchDevice device) {
        return device.name() + " in " + device.precision() + " with "
                + (!mayBeFast(device)
                        ? PLAIN
                        : new KernelChoice(true, true, true)
                                + " where they pass a check at start, else PyTorch's operations");
    }
}
