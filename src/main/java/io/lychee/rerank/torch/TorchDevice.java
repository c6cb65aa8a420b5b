package io.lychee.rerank.torch;

import ai.djl.Device;
import ai.djl.pytorch.jni.LibUtils;
import ai.djl.util.cuda.CudaUtils;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.Precision;
import java.lang.management.MemoryUsage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Names a device and the dtype to compute in.
 *
 * @param name as PyTorch writes it: cpu, cuda:0
 * @param dtype float32, bfloat16 or float16
 * @param e4m3 whether most products are of 8 bits
 */
public record TorchDevice(String name, String dtype, boolean e4m3) {

    private static final Logger LOG = LoggerFactory.getLogger(TorchDevice.class);
    /** Ends an error about e4m3. */
    public static final String E4M3_CARDS = "expected a GPU of compute capability 8.9 (L4, L40S, RTX 40) or 9.0 (H100,"
            + " H200) and PyTorch 2.7.1 or newer; model.precision=auto does without";

    private static final Pattern CUDA = Pattern.compile("cuda(?::(\\d{1,3}))?");

    /** Compute capability of GPUs with bfloat16, and with e4m3. */
    private static final int BFLOAT16_SINCE = 80;

    private static final int E4M3_SINCE = 89;

    public static final TorchDevice CPU = new TorchDevice("cpu", "float32", false);

    public boolean isCpu() {
        return name.equals("cpu");
    }

    /** Returns N of {@code cuda:N}. */
    int index() {
        return Integer.parseInt(name.substring("cuda:".length()));
    }

    public int bytesPerNumber() {
        return dtype.equals("float32") ? 4 : 2;
    }

    /** Returns the precision as {@code model.precision} names it. */
    public String precision() {
        return e4m3 ? "fp8" : dtype;
    }

    /**
     * Selects the first device of {@link #all}, in this precision.
     *
     * @throws ConfigException when it has no such precision
     */
    public static TorchDevice of(String setting, Precision precision) {
        TorchDevice device = all(setting).get(0);
        return switch (precision) {
            case AUTO -> device;
            case FLOAT32, FLOAT16, BFLOAT16 -> new TorchDevice(device.name, precision.toString(), false);
            case FP8 -> {
                int capability = device.isCpu() ? 0 : capability(device.index(), E4M3_SINCE);
                if (capability < E4M3_SINCE) {
                    throw new ConfigException("model.precision is fp8 and model.device is " + device.name
                            + (device.isCpu() ? "" : ", of compute capability " + capability / 10.0) + "; "
                            + E4M3_CARDS);
                }
                yield new TorchDevice(device.name, "bfloat16", true);
            }
        };
    }

    /**
     * Selects every GPU that PyTorch sees for cuda and auto, the CPU for auto without one, else the device named.
     *
     * @param setting cpu, cuda, cuda:N or auto
     * @throws ConfigException when it is none of these, or there is no such GPU
     */
    public static List<TorchDevice> all(String setting) {
        int gpus = TorchRuntime.engine().getGpuCount();
        boolean auto = setting.equals("auto");
        if (gpus > 0 && (auto || setting.equals("cuda"))) {
            return IntStream.range(0, gpus).mapToObj(TorchDevice::cuda).toList();
        }
        if (auto) {
            LOG.info("model.device is auto and PyTorch sees no GPU: using the CPU");
        }
        if (auto || setting.equals("cpu")) {
            return List.of(CPU);
        }
        Matcher cuda = CUDA.matcher(setting);
        if (!cuda.matches()) {
            throw new ConfigException("model.device is %s; expected cpu, cuda, cuda:N or auto".formatted(setting));
        }
        int index = cuda.group(1) == null ? 0 : Integer.parseInt(cuda.group(1));
        String obstacle = obstacle(index, gpus);
        if (obstacle != null) {
            throw new ConfigException("model.device is " + setting + " and there is no such CUDA device: " + obstacle
                    + ". model.device=cpu (--device cpu) does without");
        }
        return List.of(cuda(index));
    }

    /** Explains a missing GPU. DJL counts none without libcudart, which PyTorch may not need: then signs decide. */
    private static @Nullable String obstacle(int index, int gpus) {
        if (gpus > 0) {
            return index < gpus ? null : "PyTorch sees %d GPUs; expected cuda:0 to cuda:%d".formatted(gpus, gpus - 1);
        }
        Path libtorch = Path.of(LibUtils.getLibtorchPath());
        if (!Files.exists(libtorch.resolve(System.mapLibraryName("torch_cuda")))) {
            return "PyTorch in " + libtorch + " is built for the CPU only; expected one with CUDA, which"
                    + " PYTORCH_LIBRARY_PATH, PYTORCH_VERSION and PYTORCH_FLAVOR name";
        }
        if (Stream.of("/dev/nvidiactl", "/dev/dxg").map(Path::of).noneMatch(Files::exists)) {
            return "this machine has no NVIDIA driver (/dev/nvidiactl)";
        }
        String visible = System.getenv("CUDA_VISIBLE_DEVICES");
        return visible != null && (visible.isBlank() || visible.startsWith("-"))
                ? "CUDA_VISIBLE_DEVICES is \"%s\", which hides every GPU".formatted(visible)
                : null;
    }

    /** Returns the free bytes of {@code cuda:N}, or {@link Long#MAX_VALUE} when CUDA doesn't report them. */
    public static long freeMemory(String name) {
        try {
            MemoryUsage memory = CudaUtils.getGpuMemory(Device.gpu(Integer.parseInt(name.substring("cuda:".length()))));
            return memory.getMax() - memory.getCommitted();
        } catch (RuntimeException e) {
            LOG.info("the free memory of {} is unknown: {}", name, e.toString());
            return Long.MAX_VALUE;
        }
    }

    /** Returns the GPU's name, such as NVIDIA H100 80GB HBM3, or GPU when the driver doesn't tell. */
    public String card() {
        try {
            return CudaKernels.name(index());
        } catch (RuntimeException | LinkageError e) {
            LOG.info("the name of {} is unknown: {}", name, e.toString());
            return "GPU";
        }
    }

    /** Returns whether the GPU computes fp8. */
    public boolean hasE4m3() {
        return capability(index(), E4M3_SINCE) >= E4M3_SINCE;
    }

    private static TorchDevice cuda(int index) {
        boolean bfloat16 = capability(index, BFLOAT16_SINCE) >= BFLOAT16_SINCE;
        return new TorchDevice("cuda:" + index, bfloat16 ? "bfloat16" : "float16", false);
    }

    /** Returns ten times the compute capability, or what to assume where DJL finds no libcudart. */
    private static int capability(int index, int assumed) {
        try {
            return Integer.parseInt(CudaUtils.getComputeCapability(index));
        } catch (RuntimeException e) {
            // PyTorch may well run without libcudart
            LOG.info("the compute capability of cuda:{} is unknown ({}): assuming {}", index, e.toString(), assumed);
            return assumed;
        }
    }
}
