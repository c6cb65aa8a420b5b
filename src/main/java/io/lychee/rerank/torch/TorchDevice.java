package io.lychee.rerank.torch;

import ai.djl.Device;
import ai.djl.engine.Engine;
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
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where the network runs, and in which numbers: float32 on the CPU, on a GPU bfloat16, or float16 where the card is too
 * old for it.
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

    /**
     * @param setting cpu, cuda, cuda:N, or auto: the first GPU where the engine sees one
     * @throws ConfigException when it is none of these, or a GPU that there is not
     */
    public static TorchDevice of(String setting, Engine engine) {
        if (setting.equals("cpu")) {
            return CPU;
        }
        if (setting.equals("auto")) {
            if (engine.getGpuCount() > 0) {
                return cuda(0);
            }
            LOG.info("model.device is auto and {} sees no GPU: using the CPU", engine);
            return CPU;
        }
        Matcher cuda = CUDA.matcher(setting);
        if (!cuda.matches()) {
            throw new ConfigException("model.device is %s; expected cpu, cuda, cuda:N or auto".formatted(setting));
        }
        int index = cuda.group(1) == null ? 0 : Integer.parseInt(cuda.group(1));
        requireCuda(setting, index, engine.getGpuCount());
        return cuda(index);
    }

    /** Lets pass what DJL can't count for want of libcudart, which PyTorch may well do without. */
    private static void requireCuda(String setting, int index, int gpus) {
        Path libtorch = Path.of(LibUtils.getLibtorchPath());
        String visible = System.getenv("CUDA_VISIBLE_DEVICES");
        String found = null;
        if (gpus > 0) {
            found = index < gpus ? null : "PyTorch sees %d GPUs; expected cuda:0 to cuda:%d".formatted(gpus, gpus - 1);
        } else if (!Files.exists(libtorch.resolve(System.mapLibraryName("torch_cuda")))) {
            found =
                    "PyTorch in %s is built for the CPU only; expected one with CUDA, which PYTORCH_LIBRARY_PATH, PYTORCH_VERSION and PYTORCH_FLAVOR name"
                            .formatted(libtorch);
        } else if (Stream.of("/dev/nvidiactl", "/dev/dxg").map(Path::of).noneMatch(Files::exists)) {
            found = "this machine has no NVIDIA driver (/dev/nvidiactl)";
        } else if (visible != null && (visible.isBlank() || visible.startsWith("-"))) {
            found = "CUDA_VISIBLE_DEVICES is \"%s\", which hides every GPU".formatted(visible);
        }
        if (found != null) {
            throw new ConfigException(
                    "model.device is %s and there is no such CUDA device: %s. model.device=cpu (--device cpu) does without"
                            .formatted(setting, found));
        }
    }

    /** Names of what {@code setting} stands for: every GPU for cuda and auto, where the engine sees any. */
    public static List<String> all(String setting, Engine engine) {
        int gpus = engine.getGpuCount();
        if (gpus == 0 || !(setting.equals("cuda") || setting.equals("auto"))) {
            return List.of(of(setting, engine).name());
        }
        return IntStream.range(0, gpus).mapToObj(gpu -> "cuda:" + gpu).toList();
    }

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

    /** For the arrays that Java makes: always the CPU; the network itself moves what it gets. */
    public static Device javaSide() {
        return Device.cpu();
    }
}
