package io.lychee.rerank.torch;

import io.lychee.rerank.torch.TorchOperators.TensorView;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Implements the operators of {@code torchscript/shared/fused.py} with the kernels of {@code torchscript/shared/cuda}.
 */
public final class FusedKernels {

    private static final String FOLDER = "/torchscript/shared/cuda/";

    /** The operators: tensors named with (a!) are written. */
    private static final List<String> SCHEMAS = List.of(
            "rotate_(Tensor(a!) x, Tensor turns) -> ()",
            "silu_mul_(Tensor(a!) gate, Tensor up) -> ()",
            "add_rms_(Tensor(a!) x, Tensor delta, Tensor weight, Tensor(b!) y, float eps) -> ()",
            "add_rms_e4m3_(Tensor(a!) x, Tensor delta, Tensor weight, Tensor(b!) y, Tensor(c!) scales, float eps) -> ()",
            "silu_mul_e4m3_(Tensor gate, Tensor up, Tensor(a!) y, Tensor(b!) scales) -> ()",
            "e4m3_(Tensor x, Tensor(a!) y, Tensor(b!) scales) -> ()",
            "attend_(Tensor q, Tensor k, Tensor v, Tensor tiles, Tensor(a!) y) -> ()");

    private static final int CHUNK = 8; // numbers that a thread reads at once
    private static final int WARP = 32;
    private static final int THREADS = 256;
    private static final int MAX_THREADS = 640;
    private static final List<Integer> HELD = List.of(1, 2, 4, 8); // chunks of a row in a thread's registers
    private static final int ATTENTION_THREADS = 128; // see attention.cu
    private static final int MAX_HEAD = 128;

    /** Kept as long as the process. */
    private static final Map<Key, CudaKernels> COMPILED = new ConcurrentHashMap<>();

    /** @param head numbers of a head, of attention.cu; 0: the kernels of rows.cu */
    private record Key(int gpu, int scalarType, int head) {}

    private static boolean implemented;

    private FusedKernels() {}

    /**
     * Defines the operators, so that text which calls them can be loaded. Once in a process; later calls do nothing.
     */
    public static void define() {
        SCHEMAS.forEach(TorchOperators::define);
    }

    /**
     * Compiles the kernels for a GPU and lets the operators use them there.
     *
     * @throws RuntimeException without NVRTC, or when it refuses the text
     */
    public static synchronized void compile(TorchDevice device) {
        define();
        kernels(new Key(device.index(), TorchScriptSource.scalarType(device.dtype()), 0));
        if (!implemented) {
            TorchOperators.implement("rotate_", "CUDA", (tensors, none) -> rotate(tensors.get(0), tensors.get(1)));
            TorchOperators.implement("silu_mul_", "CUDA", (tensors, none) -> siluMul(tensors.get(0), tensors.get(1)));
            TorchOperators.implement("add_rms_", "CUDA", (tensors, eps) -> addRms("", tensors, eps));
            TorchOperators.implement("add_rms_e4m3_", "CUDA", (tensors, eps) -> addRms("e4m3_", tensors, eps));
            TorchOperators.implement(
                    "silu_mul_e4m3_",
                    "CUDA",
                    (tensors, none) ->
                            quantise("silu_mul_e4m3_", tensors.get(0), tensors.get(1), tensors.get(2), tensors.get(3)));
            TorchOperators.implement(
                    "e4m3_",
                    "CUDA",
                    (tensors, none) ->
                            quantise("e4m3_", tensors.get(0), tensors.get(0), tensors.get(1), tensors.get(2)));
            TorchOperators.implement("attend_", "CUDA", (tensors, none) -> attend(tensors));
            implemented = true;
        }
    }

    /** Compiles kernels at their first use. */
    private static CudaKernels kernels(Key wanted) {
        return COMPILED.computeIfAbsent(wanted, key -> {
            List<String> options = new ArrayList<>(List.of("--std=c++17"));
            if (key.scalarType == TorchScriptSource.scalarType("float16")) {
                options.add("-DFLOAT16");
            }
            if (key.head > 0) {
                options.add("-DHEAD=" + key.head);
            }
            return CudaKernels.compile(
                    key.gpu, source("numbers.cu") + source(key.head > 0 ? "attention.cu" : "rows.cu"), options);
        });
    }

    /** Reads a text of kernels. */
    static String source(String name) {
        try (InputStream in = FusedKernels.class.getResourceAsStream(FOLDER + name)) {
            if (in == null) {
                throw new IllegalStateException("no resource " + FOLDER + name);
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static CudaKernels kernels(TensorView tensor) {
        return kernels(new Key(tensor.device(), tensor.scalarType(), 0));
    }

    /** @param tensors q (rows, heads, head_dim), k and v (rows, kv_heads, head_dim), tiles (tiles, 5), y */
    private static void attend(List<TensorView> tensors) {
        TensorView q = tensors.get(0);
        TensorView k = tensors.get(1);
        TensorView tiles = tensors.get(3);
        int head = Math.toIntExact(q.size(2));
        if (head > MAX_HEAD) {
            throw new IllegalArgumentException("heads of %d numbers; expected at most %d".formatted(head, MAX_HEAD));
        }
        chunks(head);
        int kvHeads = Math.toIntExact(k.size(1));
        kernels(new Key(q.device(), q.scalarType(), head))
                .launch(
                        "attend",
                        tiles.size(0) * kvHeads,
                        ATTENTION_THREADS,
                        q.address(),
                        k.address(),
                        tensors.get(2).address(),
                        tensors.get(4).contiguous(),
                        tiles.contiguous(),
                        chunks(q.stride(0)),
                        chunks(k.stride(0)),
                        kvHeads,
                        Math.toIntExact(q.size(1)) / kvHeads,
                        (float) (1 / (Math.sqrt(head) * Math.log(2))));
    }

    /** @param x (rows, heads, head_dim), rows may be parts of wider ones; turns (rows, 1, head_dim / 2, 2) */
    private static void rotate(TensorView x, TensorView turns) {
        int head = chunks(x.size(2));
        int chunks = Math.toIntExact(x.size(1)) * head;
        int stride = chunks(x.stride(0));
        kernels(x)
                .launch(
                        "rotate_",
                        x.size(0),
                        Math.min(THREADS, warps(chunks)),
                        x.address(),
                        turns.contiguous(),
                        stride,
                        chunks,
                        head);
    }

    private static void siluMul(TensorView gate, TensorView up) {
        long chunks = gate.numbers() / CHUNK;
        chunks(gate.size(1));
        kernels(gate)
                .launch(
                        "silu_mul_",
                        (chunks + THREADS - 1) / THREADS,
                        THREADS,
                        gate.contiguous(),
                        up.contiguous(),
                        chunks);
    }

    private static void addRms(String suffix, List<TensorView> tensors, double eps) {
        TensorView x = tensors.get(0);
        TensorView delta = tensors.get(1);
        TensorView scales = tensors.get(tensors.size() - 1);
        int chunks = chunks(x.size(1));
        int held = held(chunks);
        kernels(x)
                .launch(
                        (delta.numbers() == 0 ? "rms_" : "add_rms_") + suffix + held,
                        x.size(0),
                        warps((chunks + held - 1) / held),
                        x.contiguous(),
                        delta.contiguous(),
                        tensors.get(2).contiguous(),
                        tensors.get(3).contiguous(),
                        scales.contiguous(),
                        chunks,
                        (float) eps);
    }

    private static void quantise(String kernel, TensorView x, TensorView up, TensorView y, TensorView scales) {
        int chunks = chunks(x.size(1));
        int held = held(chunks);
        kernels(x)
                .launch(
                        kernel + held,
                        x.size(0),
                        warps((chunks + held - 1) / held),
                        x.contiguous(),
                        up.contiguous(),
                        y.contiguous(),
                        scales.contiguous(),
                        chunks);
    }

    private static int chunks(long numbers) {
        if (numbers % CHUNK != 0) {
            throw new IllegalArgumentException(
                    "rows of %d numbers; expected a multiple of %d".formatted(numbers, CHUNK));
        }
        return Math.toIntExact(numbers / CHUNK);
    }

    /** Chooses the fewest chunks that a thread can hold, for the most threads. */
    private static int held(int chunks) {
        return HELD.stream()
                .filter(held -> warps((chunks + held - 1) / held) <= MAX_THREADS)
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("rows of %d numbers; expected at most %d"
                        .formatted(chunks * CHUNK, MAX_THREADS * CHUNK * HELD.get(HELD.size() - 1))));
    }

    private static int warps(int threads) {
        return (threads + WARP - 1) / WARP * WARP;
    }
}
