package io.lychee.rerank.torch;

import ai.djl.Device;
import ai.djl.pytorch.jni.LibUtils;
import ai.djl.util.cuda.CudaUtils;
import io.lychee.rerank.config.ConfigException;
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
 * Names a device and the dtype to compute in: float32 on the CPU, bfloat16 on a GPU, float16 on a GPU that is too old
 * for it.
 *
 * @param name as PyTorch writes it: cpu, cuda:0
 */
public record TorchDevice(String name, String dtype) {

    private static final Logger LOG = LoggerFactory.getLogger(TorchDevice.class);
    private static final Pattern CUDA = Pattern.compile("cuda(?::(\\d{1,3}))?");

    public static final TorchDevice CPU = new TorchDevice("cpu", "float32");

    public boolean isCpu() {
        return name.equals("cpu");
    }

    public int bytesPerNumber() {
        return dtype.equals("float32") ? 4 : 2;
    }

    /** Selects the first device of {@link #all}. */
    public static TorchDevice of(String setting) {
        return all(setting).get(0);
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

    private static TorchDevice cuda(int index) {
        boolean bfloat16 = true;
        try {
            bfloat16 = Integer.parseInt(CudaUtils.getComputeCapability(index)) >= 80;
        } catch (RuntimeException e) {
            // DJL needs libcudart for this; PyTorch may well run without it
            LOG.info("the compute capability of cuda:{} is unknown ({}): assuming bfloat16", index, e.toString());
        }
        return new TorchDevice("cuda:" + index, bfloat16 ? "bfloat16" : "float16");
    }
}
