package io.lychee.rerank.qwen;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.IValue;
import io.lychee.rerank.checkpoint.Family;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.checkpoint.NetworkConfig;
import io.lychee.rerank.checkpoint.Safetensors;
import io.lychee.rerank.checkpoint.TensorShapes;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.torch.FusedKernels;
import io.lychee.rerank.torch.TorchDevice;
import io.lychee.rerank.torch.TorchModule;
import io.lychee.rerank.torch.TorchRuntime;
import io.lychee.rerank.torch.TorchScriptArchive;
import io.lychee.rerank.torch.TorchScriptSource;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Calls the network of {@code src/main/resources/torchscript} with a checkpoint's weights, on one device. Owned by one
 * thread at a time.
 */
final class QwenNetwork implements AutoCloseable {

    /** GEMMs of other widths are three times slower on a GPU. */
    private static final int GEMM_MULTIPLE = 128;

    /** The largest relative error of a product of e4m3 against float32; tensor cores add in about 14 bits. */
    private static final double E4M3_TOLERANCE = 0.15;

    /** The passes that may be in flight. */
    private static final int SLOTS = 2;

    private final NetworkConfig config;
    final TorchModule module;
    private final TorchModule.@Nullable Call[] calls = new TorchModule.Call[SLOTS]; // the last of each slot
    private int slot;

    private QwenNetwork(NetworkConfig config, TorchModule module) {
        this.config = config;
        this.module = module;
    }

    /** Reads a family's source for a device, by module name. */
    static Map<String, String> sources(Family family, TorchDevice device) {
        return TorchScriptSource.read(List.of(
                "shared/fused",
                "shared/linear",
                "shared/weights",
                "shared/flash",
                "shared/attention",
                "shared/selfcheck",
                device.isCpu() ? "shared/cpu/results" : "shared/cuda/results",
                "shared/patches",
                family.modelType() + "/vision",
                "shared/language",
                "shared/reranker"));
    }

    /**
     * Allocates the network with zero weights: {@link #load} them, then {@link #finish}.
     *
     * @param sources see {@link #sources}
     * @param cells size of the vision cache on the device, in image tokens
     */
    static QwenNetwork create(
            NetworkConfig config,
            ImageProcessorConfig preprocessor,
            TorchDevice device,
            Map<String, String> sources,
            int cells) {
        try {
            FusedKernels.define();
        } catch (RuntimeException | LinkageError e) {
            // text without them is plain; KernelChoice reports it
        }
        TorchModule module = TorchModule.load(TorchScriptArchive.write(
                TorchScriptSource.translate(sources), "reranker.Reranker", attributes(config, preprocessor, device)));
        try (TorchModule.Call call = module.call()) {
            call.run("build", cells);
            if (device.e4m3()) {
                requireE4m3(device, call);
            }
        } catch (RuntimeException e) {
            module.close();
            throw e;
        }
        return new QwenNetwork(config, module);
    }

    /** Multiplies e4m3 numbers on this device, before weights are loaded. */
    private static void requireE4m3(TorchDevice device, TorchModule.Call call) {
        String found;
        try {
            double error = call.run("e4m3_error").toDouble();
            if (error <= E4M3_TOLERANCE) {
                return;
            }
            found = "its product is %.3g away from float32's".formatted(error);
        } catch (RuntimeException e) {
            found = TorchRuntime.reason(e);
        }
        throw new ConfigException("model.precision is fp8, and %s can't multiply e4m3: %s; %s"
                .formatted(device.name(), found, TorchDevice.E4M3_CARDS));
    }

    /** Lists every attribute of class Reranker. */
    private static Map<String, ?> attributes(
            NetworkConfig config, ImageProcessorConfig preprocessor, TorchDevice device) {
        NetworkConfig.Text text = config.text();
        NetworkConfig.Vision vision = config.vision();
        Map<String, Object> shapes = new HashMap<>();
        TensorShapes.of(config).forEach((name, shape) -> shapes.put(name, integers(shape)));
        shapes.remove(TensorShapes.HEAD); // see finish
        Map<String, Object> attributes = new HashMap<>();
        attributes.put("training", false);
        attributes.put("device", device.name());
        attributes.put("dtype", TorchScriptSource.scalarType(device.dtype()));
        attributes.put("e4m3", device.e4m3());
        attributes.put("flash", false);
        attributes.put("fused", null);
        attributes.put("shapes", new TorchScriptArchive.Typed("Dict[str, List[int]]", shapes));
        attributes.put("vision_sizes", new TorchScriptArchive.Typed("Dict[str, int]", sizes(vision, device)));
        Map<String, ?> layers =
                Map.of("full_attention", integers(vision.fullAttention()), "deepstack", integers(vision.deepstack()));
        attributes.put("vision_layers", new TorchScriptArchive.Typed("Dict[str, List[int]]", layers));
        attributes.put("vision_theta", vision.theta());
        attributes.put("image_mean", new TorchScriptArchive.Typed("List[float]", preprocessor.mean()));
        attributes.put("image_std", new TorchScriptArchive.Typed("List[float]", preprocessor.std()));
        attributes.put("layers", text.layers());
        attributes.put("heads", text.heads());
        attributes.put("kv_heads", text.kvHeads());
        attributes.put("head_dim", text.headDim());
        attributes.put("eps", text.eps());
        attributes.put("theta", text.theta());
        attributes.put("mrope_axes", integers(text.mropeAxes()));
        attributes.put("views", new TorchScriptArchive.Typed("Dict[str, Tensor]", Map.of()));
        attributes.put("scales", new TorchScriptArchive.Typed("Dict[str, Tensor]", Map.of()));
        attributes.put("weights", null);
        attributes.put("head", null);
        attributes.put("vision_cache", null);
        attributes.put("results", new TorchScriptArchive.Typed("List[__torch__.results.Results]", List.of()));
        attributes.put("visual", null);
        attributes.put("language", null);
        return attributes;
    }

    /** Returns the sizes of a vision tower by their names in its source. */
    private static Map<String, Integer> sizes(NetworkConfig.Vision vision, TorchDevice device) {
        return Map.of(
                "depth", vision.depth(),
                "heads", vision.heads(),
                "patch", vision.patch(),
                "merge", vision.merge(),
                "mlp_multiple", device.isCpu() ? 1 : GEMM_MULTIPLE,
                "position_side", vision.positionSide());
    }

    private static TorchScriptArchive.Typed integers(List<? extends Number> numbers) {
        return new TorchScriptArchive.Typed("List[int]", numbers);
    }

    /** Fills rows of a tensor. From several threads at once. */
    void load(String name, Safetensors.Rows rows) {
        try (TorchModule.Call call = module.call()) {
            call.run("load", name, rows.start(), tensor(call, rows), isBfloat16(rows));
        }
    }

    /** Completes the loaded network with the two rows of the output matrix that make the score. */
    void finish(Safetensors.Rows yes, Safetensors.Rows no) {
        try (TorchModule.Call call = module.call()) {
            call.run("finish", tensor(call, yes), tensor(call, no), isBfloat16(yes));
        }
    }

    private static IValue tensor(TorchModule.Call call, Safetensors.Rows rows) {
        // bf16 enters as the bits of an f16: DJL's own bf16 arrays crash the JVM
        DataType type = rows.tensor().type() == Safetensors.Type.F32 ? DataType.FLOAT32 : DataType.FLOAT16;
        return call.tensor(rows.map(), new Shape(rows.shape()), type);
    }

    private static boolean isBfloat16(Safetensors.Rows rows) {
        return rows.tensor().type() == Safetensors.Type.BF16;
    }

    /** Selects FlashAttention's kernels, or the plain ones, for the next passes. */
    void useFlash(boolean flash) {
        try (TorchModule.Call call = module.call()) {
            call.run("use_flash", flash);
        }
    }

    /**
     * Measures own attention, or FlashAttention, on this device: its largest difference from float32 on a few random
     * sequences.
     */
    double attentionError(boolean own) {
        try (TorchModule.Call call = module.call()) {
            double error = call.run("attention_error", own, false).toDouble();
            return Math.max(error, call.run("attention_error", own, true).toDouble());
        }
    }

    /** Selects own kernels, with own attention or without, or PyTorch's operations, for the next passes. */
    void useFused(boolean fused, boolean attention) {
        try (TorchModule.Call call = module.call()) {
            call.run("use_fused", fused, attention);
        }
    }

    /** Measures an operation with own kernels: its largest relative difference from PyTorch's. */
    double fusedError(String operation, boolean e4m3) {
        try (TorchModule.Call call = module.call()) {
            return call.run("fused_error", operation, e4m3).toDouble();
        }
    }

    /**
     * Enqueues a pass on the device. On a GPU this returns before the scores are computed; two passes may be in flight.
     *
     * @return waits for the logit of each candidate; call it once
     */
    Supplier<float[]> start(PackedPass pass, VisionCache.Plan images) {
        slot = (slot + 1) % SLOTS;
        int own = slot;
        TorchModule.Call call = module.call();
        calls[own] = call;
        try {
            IValue scores = call.run("score", forward(call, pass, images), own);
            return () -> {
                try (call) {
                    call.run("wait", own);
                    return call.floats(scores);
                }
            };
        } catch (RuntimeException e) {
            call.close();
            throw e;
        }
    }

    /** Computes the last hidden state of each candidate's last token, on the device: (candidates, hidden). */
    IValue forward(TorchModule.Call call, PackedPass pass, VisionCache.Plan images) {
        encodeImages(call, images);
        return call.run(
                "forward",
                call.tensor(pass.tokens),
                call.tensor(pass.positions),
                call.tensor(pass.last),
                pass.prefixes,
                pass.counts,
                pass.candidates,
                call.tensor(pass.imageRows),
                call.tensor(images.places()));
    }

    /** Runs the vision tower over images that are not cached, into the vision cache. */
    void encodeImages(TorchModule.Call call, VisionCache.Plan plan) {
        List<EncodedImage> images = plan.unseen();
        if (images.isEmpty()) {
            return;
        }
        VisionWindows windows =
                new VisionWindows(config.vision().windowCells(), config.vision().merge());
        int cell = config.vision().cell();
        images.forEach(image -> windows.add(image.height() / cell, image.width() / cell));
        call.run(
                "encode_images",
                pixels(call, images),
                sizes(images, EncodedImage::height),
                sizes(images, EncodedImage::width),
                call.tensor(windows.order()),
                call.tensor(windows.rows()),
                call.tensor(windows.columns()),
                windows.windows(),
                windows.images(),
                call.tensor(plan.unseenPlaces()));
    }

    /** Concatenates the pixels of all images: (bytes). */
    static IValue pixels(TorchModule.Call call, List<EncodedImage> images) {
        ByteBuffer pixels = call.staging(
                Math.toIntExact(images.stream().mapToLong(EncodedImage::bytes).sum()));
        images.forEach(image -> pixels.put(image.rgb()));
        return call.tensor(pixels.flip(), new Shape(pixels.remaining()), DataType.UINT8);
    }

    static long[] sizes(List<EncodedImage> images, ToIntFunction<EncodedImage> size) {
        return images.stream().mapToLong(size::applyAsInt).toArray();
    }

    @Override
    public void close() {
        for (TorchModule.Call call : calls) {
            if (call != null) {
                call.close(); // also of a pass that was not awaited
            }
        }
        module.close();
    }
}
