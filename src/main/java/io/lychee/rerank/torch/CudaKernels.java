package io.lychee.rerank.torch;

import com.sun.jna.Library;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.StringArray;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Compiles CUDA C text for one GPU with NVRTC, and launches its kernels on PyTorch's current stream. Its memory lives
 * as long as the process.
 */
final class CudaKernels {

    private static final int MAJOR = 75; // CUdevice_attribute: compute capability
    private static final int MINOR = 76;
    private static final int MAX_ARGUMENTS = 12;
    private static final int MAX_NAME = 256;

    private final int device;
    private final Pointer context;
    private final Pointer module;
    private final Map<String, Pointer> functions = new HashMap<>();
    private final Memory values = new Memory(8L * MAX_ARGUMENTS);
    private final Memory addresses = new Memory(8L * MAX_ARGUMENTS);

    private CudaKernels(int device, Pointer context, Pointer module) {
        this.device = device;
        this.context = context;
        this.module = module;
        for (int i = 0; i < MAX_ARGUMENTS; i++) {
            addresses.setPointer(8L * i, values.share(8L * i));
        }
    }

    /**
     * Compiles the text for a GPU, which takes about 0.3 s, and loads it there.
     *
     * @param options of NVRTC, such as {@code -DNAME=value}
     * @throws IllegalStateException without NVRTC or driver, or with the compiler's message
     */
    static CudaKernels compile(int device, String source, List<String> options) {
        Nvrtc.load();
        IntByReference handle = new IntByReference();
        check(Driver.cuDeviceGet(handle, device));
        int capability = 10 * attribute(MAJOR, handle.getValue()) + attribute(MINOR, handle.getValue());
        List<String> all = new ArrayList<>(options);
        all.add("--gpu-architecture=sm_" + capability);
        byte[] cubin = cubin(source, all);
        PointerByReference context = new PointerByReference();
        check(Driver.cuDevicePrimaryCtxRetain(context, handle.getValue())); // PyTorch's
        check(Driver.cuCtxPushCurrent_v2(context.getValue()));
        try (Memory image = new Memory(cubin.length)) {
            image.write(0, cubin, 0, cubin.length);
            PointerByReference module = new PointerByReference();
            check(Driver.cuModuleLoadData(module, image));
            return new CudaKernels(device, context.getValue(), module.getValue());
        } finally {
            Driver.cuCtxPopCurrent_v2(new PointerByReference());
        }
    }

    /** Returns the name of a GPU, such as NVIDIA H100 80GB HBM3. @throws IllegalStateException when there is no such */
    static String name(int device) {
        IntByReference handle = new IntByReference();
        byte[] name = new byte[MAX_NAME];
        check(Driver.cuInit(0));
        check(Driver.cuDeviceGet(handle, device));
        check(Driver.cuDeviceGetName(name, name.length, handle.getValue()));
        return Native.toString(name);
    }

    private static int attribute(int attribute, int device) {
        IntByReference value = new IntByReference();
        check(Driver.cuDeviceGetAttribute(value, attribute, device));
        return value.getValue();
    }

    private static byte[] cubin(String source, List<String> options) {
        PointerByReference made = new PointerByReference();
        checkCompiler(Nvrtc.nvrtcCreateProgram(made, source, "lychee.cu", 0, null, null));
        Pointer program = made.getValue();
        try {
            int result =
                    Nvrtc.nvrtcCompileProgram(program, options.size(), new StringArray(options.toArray(String[]::new)));
            if (result != 0) {
                LongByReference size = new LongByReference();
                checkCompiler(Nvrtc.nvrtcGetProgramLogSize(program, size));
                byte[] log = new byte[(int) size.getValue()];
                checkCompiler(Nvrtc.nvrtcGetProgramLog(program, log));
                throw new IllegalStateException(
                        "NVRTC refuses the text: " + Native.toString(log).strip());
            }
            LongByReference size = new LongByReference();
            checkCompiler(Nvrtc.nvrtcGetCUBINSize(program, size));
            byte[] cubin = new byte[(int) size.getValue()];
            checkCompiler(Nvrtc.nvrtcGetCUBIN(program, cubin));
            return cubin;
        } finally {
            Nvrtc.nvrtcDestroyProgram(made);
        }
    }

    /**
     * Enqueues a kernel. Its arguments are copied before this returns.
     *
     * @param arguments Long for an address, Integer, Float
     */
    synchronized void launch(String name, long blocks, int threads, Object... arguments) {
        if (blocks == 0) {
            return;
        }
        for (int i = 0; i < arguments.length; i++) {
            if (arguments[i] instanceof Long address) {
                values.setLong(8L * i, address);
            } else if (arguments[i] instanceof Integer number) {
                values.setInt(8L * i, number);
            } else {
                values.setFloat(8L * i, (Float) arguments[i]);
            }
        }
        PointerByReference stream = new PointerByReference();
        if (Streams.aoti_torch_get_current_cuda_stream(device, stream) != 0) {
            throw new IllegalStateException("PyTorch has no stream for cuda:" + device);
        }
        check(Driver.cuCtxPushCurrent_v2(context)); // PyTorch's operators leave another GPU's
        try {
            check(Driver.cuLaunchKernel(
                    function(name),
                    Math.toIntExact(blocks),
                    1,
                    1,
                    threads,
                    1,
                    1,
                    0,
                    stream.getValue(),
                    addresses,
                    null));
        } finally {
            Driver.cuCtxPopCurrent_v2(new PointerByReference());
        }
    }

    private Pointer function(String name) {
        return functions.computeIfAbsent(name, key -> {
            PointerByReference function = new PointerByReference();
            check(Driver.cuModuleGetFunction(function, module, key));
            return function.getValue();
        });
    }

    private static void check(int result) {
        if (result != 0) {
            PointerByReference text = new PointerByReference();
            Driver.cuGetErrorString(result, text);
            throw new IllegalStateException("CUDA's driver: "
                    + (text.getValue() == null
                            ? "error " + result
                            : text.getValue().getString(0)));
        }
    }

    private static void checkCompiler(int result) {
        if (result != 0) {
            throw new IllegalStateException("NVRTC: error " + result);
        }
    }

    /** Maps the driver, cuda.h. */
    private static final class Driver {

        static {
            Native.register(Driver.class, NativeLibrary.getInstance("libcuda.so.1"));
        }

        static native int cuInit(int flags);

        static native int cuDeviceGetName(byte[] name, int length, int device);

        static native int cuDeviceGet(IntByReference device, int ordinal);

        static native int cuDeviceGetAttribute(IntByReference value, int attribute, int device);

        static native int cuDevicePrimaryCtxRetain(PointerByReference context, int device);

        static native int cuCtxPushCurrent_v2(Pointer context);

        static native int cuCtxPopCurrent_v2(PointerByReference context);

        static native int cuModuleLoadData(PointerByReference module, Pointer image);

        static native int cuModuleGetFunction(PointerByReference function, Pointer module, String name);

        static native int cuGetErrorString(int error, PointerByReference text);

        static native int cuLaunchKernel(
                Pointer function,
                int gridX,
                int gridY,
                int gridZ,
                int blockX,
                int blockY,
                int blockZ,
                int sharedBytes,
                Pointer stream,
                Pointer arguments,
                @Nullable Pointer extra);
    }

    /** Maps the one function of libtorch_cuda's stable C interface that is needed. */
    private static final class Streams {

        static {
            Path path = TorchRuntime.library("torch_cuda");
            Native.register(
                    Streams.class, NativeLibrary.getInstance(path.toString(), Map.of(Library.OPTION_OPEN_FLAGS, 1)));
        }

        static native int aoti_torch_get_current_cuda_stream(int device, PointerByReference stream);
    }

    /** Maps the compiler, nvrtc.h. */
    private static final class Nvrtc {

        private static boolean loaded;

        /** @throws IllegalStateException when it is nowhere; a static initializer could not say so twice */
        static synchronized void load() {
            if (!loaded) {
                Native.register(Nvrtc.class, library());
                loaded = true;
            }
        }

        /**
         * Opens NVRTC as PyTorch does, through libcaffe2_nvrtc, whose run path leads to pip's; else beside libtorch.
         */
        private static NativeLibrary library() {
            Path folder;
            try {
                folder = TorchRuntime.library("torch_cuda").toRealPath().resolveSibling("");
            } catch (IOException e) {
                throw new IllegalStateException("libtorch_cuda: " + e, e);
            }
            List<String> names = new ArrayList<>();
            names.add(folder.resolve(System.mapLibraryName("caffe2_nvrtc")).toString());
            try (Stream<Path> files = Files.list(folder)) {
                files.map(Path::toString)
                        .filter(file -> file.contains("libnvrtc") && !file.contains("builtins"))
                        .sorted()
                        .forEach(names::add);
            } catch (IOException e) {
                throw new IllegalStateException(folder + " can't be listed: " + e, e);
            }
            names.addAll(Arrays.asList("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"));
            for (String name : names) {
                try {
                    NativeLibrary library = NativeLibrary.getInstance(name);
                    library.getFunction("nvrtcCompileProgram");
                    return library;
                } catch (UnsatisfiedLinkError e) {
                    // try the next
                }
            }
            throw new IllegalStateException("no NVRTC (libnvrtc.so); looked at " + names);
        }

        static native int nvrtcCreateProgram(
                PointerByReference program,
                String source,
                String name,
                int headers,
                @Nullable Pointer sources,
                @Nullable Pointer names);

        static native int nvrtcCompileProgram(Pointer program, int count, Pointer options);

        static native int nvrtcGetProgramLogSize(Pointer program, LongByReference size);

        static native int nvrtcGetProgramLog(Pointer program, byte[] log);

        static native int nvrtcGetCUBINSize(Pointer program, LongByReference size);

        static native int nvrtcGetCUBIN(Pointer program, byte[] cubin);

        static native int nvrtcDestroyProgram(PointerByReference program);
    }
}
