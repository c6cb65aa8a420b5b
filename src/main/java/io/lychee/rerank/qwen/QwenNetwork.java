package io.lychee.rerank.qwen;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.IValue;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.checkpoint.Safetensors;
import io.lychee.rerank.scoring.EncodedImage;
import io.lychee.rerank.torch.TorchDevice;
import io.lychee.rerank.torch.TorchModule;
import io.lychee.rerank.torch.TorchScriptArchive;
import io.lychee.rerank.torch.TorchScriptSource;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.function.ToIntFunction;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * The network of {@code src/main/resources/torchscript} with a checkpoint's weights, on one device. Owned by one thread
 * at a time.
 */
final class QwenNetwork implements AutoCloseable {

    private static final List<String> MODULES =
            List.of("weights", "flash", "attention", "vision", "language", "reranker");

    /** GEMMs of other widths are three times slower on a GPU. */
    private static final int GEMM_MULTIPLE = 128;

    /** Passes that may be under way. */
    private static final int SLOTS = 2;

    private final QwenConfig config;
    private final boolean cpu;
    private final TorchModule module;
    private final TorchModule.@Nullable Call[] calls = new TorchModule.Call[SLOTS]; // the last one of each slot
    private int slot;

    private QwenNetwork(QwenConfig config, boolean cpu, TorchModule module) {
        this.config = config;
        this.cpu = cpu;
        this.module = module;
    }

    /**
     * Makes the network, its weights all zero: {@link #load} them, then {@link #finish}.
     *
     * @param sources what each module holds, see {@link #sources}
     * @param seenCells how many cells of images the device keeps the vision tower's output of
     */
    static QwenNetwork create(
            QwenConfig config,
            ImageProcessorConfig preprocessor,
            TorchDevice device,
            Map<String, String> sources,
            int seenCells) {
        byte[] archive = TorchScriptArchive.write(
                TorchScriptSource.translate(sources), "reranker.Reranker", attributes(config, preprocessor, device));
        TorchModule module = TorchModule.load(archive);
        try (TorchModule.Call call = module.call()) {
            call.run("build", call.value(seenCells));
        } catch (RuntimeException e) {
            module.close();
            throw e;
        }
        return new QwenNetwork(config, device.isCpu(), module);
    }

    /** Fills rows of a tensor. From several threads at once. */
    void load(String name, Safetensors.Rows rows) {
        try (TorchModule.Call call = module.call()) {
            call.run(
                    "load",
                    call.value(name),
                    call.value(rows.start()),
                    rows(call, rows),
                    call.value(rows.isBfloat16()));
        }
    }

    /** Completes the network: its weights are loaded, and these rows of the output matrix make the score. */
    void finish(Safetensors.Rows yes, Safetensors.Rows no) {
        try (TorchModule.Call call = module.call()) {
            call.run("finish", rows(call, yes), rows(call, no), call.value(yes.isBfloat16()));
        }
    }

    private static IValue rows(TorchModule.Call call, Safetensors.Rows rows) {
        // bf16 goes in as the bits of an f16: DJL's own bf16 arrays end the JVM
        DataType type = rows.tensor().type() == Safetensors.Type.F32 ? DataType.FLOAT32 : DataType.FLOAT16;
        return call.tensor(rows.map(), new Shape(rows.shape()), type);
    }

    /** Completes the network with weights that mean nothing. */
    void randomise() {
        try (TorchModule.Call call = module.call()) {
            call.run("randomise");
            float[] row = new float[config.text().hidden()];
            IValue no = call.tensor(FloatBuffer.wrap(row.clone()), new Shape(row.length), DataType.FLOAT32);
            Arrays.fill(row, 0.01f);
            IValue yes = call.tensor(FloatBuffer.wrap(row), new Shape(row.length), DataType.FLOAT32);
            call.run("finish", yes, no, call.value(false));
        }
    }

    /** Whether attention runs on FlashAttention's kernels from now on. */
    void useFlash(boolean flash) {
        try (TorchModule.Call call = module.call()) {
            call.run("use_flash", call.value(flash));
        }
    }

    /** How far FlashAttention on this device is from float32, at worst, on a few random sequences. */
    double flashError() {
        try (TorchModule.Call call = module.call()) {
            double error = call.run("flash_error", call.value(false)).toDouble();
            return Math.max(error, call.run("flash_error", call.value(true)).toDouble());
        }
    }

    /** The network's source by module. */
    static Map<String, String> sources(TorchDevice device) {
        Map<String, String> sources = new LinkedHashMap<>();
        MODULES.forEach(name -> sources.put(name, source(name)));
        sources.put("results", source(device.isCpu() ? "results_cpu" : "results_cuda"));
        return sources;
    }

    private static String source(String name) {
        String path = "/torchscript/" + name + ".py";
        try (InputStream in = QwenNetwork.class.getResourceAsStream(path)) {
            if (in == null) {
                throw new IllegalStateException("no resource " + path);
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Operations a second of large matrix products. */
    double gemmRate() {
        int size = cpu ? 1024 : 8192; // large enough to reach the device's rate
        int times = cpu ? 10 : 200;
        try (TorchModule.Call call = module.call()) {
            call.run("multiply", call.value(size), call.value(3));
            long start = System.nanoTime();
            call.run("multiply", call.value(size), call.value(times));
            return 2.0 * size * size * size * times / ((System.nanoTime() - start) / 1e9);
        }
    }

    /** Everything that class Reranker declares. */
    private static Map<String, ?> attributes(QwenConfig config, ImageProcessorConfig preprocessor, TorchDevice device) {
        QwenConfig.Text text = config.text();
        QwenConfig.Vision vision = config.vision();
        Map<String, Object> shapes = new HashMap<>();
        CheckpointTensors.shapes(config)
                .forEach((name, shape) -> shapes.put(name, new TorchScriptArchive.Typed("List[int]", shape)));
        shapes.remove(CheckpointTensors.HEAD); // see finish
        Map<String, Object> attributes = new HashMap<>();
        attributes.put("training", false);
        attributes.put("device", device.name());
        attributes.put("dtype", TorchScriptSource.scalarType(device.dtype()));
        attributes.put("flash", false);
        attributes.put("shapes", new TorchScriptArchive.Typed("Dict[str, List[int]]", shapes));
        attributes.put("vision_depth", vision.depth());
        attributes.put("vision_heads", vision.heads());
        attributes.put("patch", vision.patch());
        attributes.put("merge", vision.merge());
        attributes.put("mlp_multiple", device.isCpu() ? 1 : GEMM_MULTIPLE);
        attributes.put("full_attention", new TorchScriptArchive.Typed("List[int]", vision.fullAttention()));
        attributes.put("vision_theta", vision.theta());
        attributes.put("image_mean", new TorchScriptArchive.Typed("List[float]", preprocessor.mean()));
        attributes.put("image_std", new TorchScriptArchive.Typed("List[float]", preprocessor.std()));
        attributes.put("layers", text.layers());
        attributes.put("heads", text.heads());
        attributes.put("kv_heads", text.kvHeads());
        attributes.put("head_dim", text.headDim());
        attributes.put("eps", text.eps());
        attributes.put("theta", text.theta());
        List<Long> axes = LongStream.of(text.mropeAxes()).boxed().toList();
        attributes.put("mrope_axes", new TorchScriptArchive.Typed("List[int]", axes));
        attributes.put("views", new TorchScriptArchive.Typed("Dict[str, Tensor]", Map.of()));
        attributes.put("head", null);
        attributes.put("seen", null);
        attributes.put("results", new TorchScriptArchive.Typed("List[__torch__.results.Results]", List.of()));
        attributes.put("visual", null);
        attributes.put("language", null);
        return attributes;
    }

    /**
     * Hands a pass to the device. On a GPU this returns before the scores are there; at most two may be in flight.
     *
     * @return waits for the probability of yes for each candidate; called once
     */
    Supplier<float[]> start(PackedPass pass, VisionCache.Plan images) {
        slot = (slot + 1) % SLOTS;
        int taken = slot;
        TorchModule.Call call = module.call();
        calls[slot] = call;
        try {
            IValue scores = call.run("judge", read(call, pass, images), call.value(taken));
            return () -> {
                try (call) {
                    call.run("wait", call.value(taken));
                    return call.floats(scores);
                }
            };
        } catch (RuntimeException e) {
            call.close();
            throw e;
        }
    }

    /** What the language model makes of each candidate's last token: (candidates, hidden), row by row. CPU only. */
    float[] lastHidden(PackedPass pass, VisionCache.Plan images) {
        try (TorchModule.Call call = module.call()) {
            return call.floats(read(call, pass, images));
        }
    }

    /** What the language model sees of each image: (cells, hidden), row by row. */
    float[] vision(VisionCache.Plan images) {
        try (TorchModule.Call call = module.call()) {
            see(call, images);
            return call.floats(call.run("recall", call.tensor(images.places)));
        }
    }

    /** What the vision tower sees of each image: (patches, channels · patch²), row by row. */
    float[] patches(List<EncodedImage> images) {
        try (TorchModule.Call call = module.call()) {
            return call.floats(call.run(
                    "patches",
                    pixels(call, images),
                    call.list(sizes(images, EncodedImage::height)),
                    call.list(sizes(images, EncodedImage::width))));
        }
    }

    private IValue read(TorchModule.Call call, PackedPass pass, VisionCache.Plan images) {
        see(call, images);
        return call.run(
                "read",
                call.tensor(pass.tokens()),
                call.tensor(pass.positions()),
                call.tensor(pass.last()),
                call.list(pass.prefixes()),
                call.list(pass.counts()),
                call.list(pass.candidates()),
                call.tensor(pass.imageRows()),
                call.tensor(images.places));
    }

    private void see(TorchModule.Call call, VisionCache.Plan images) {
        List<EncodedImage> unseen = images.unseen;
        if (unseen.isEmpty()) {
            return;
        }
        VisionWindows windows =
                new VisionWindows(config.vision().windowCells(), config.vision().merge());
        int cell = config.vision().cell();
        unseen.forEach(image -> windows.add(image.height() / cell, image.width() / cell));
        call.run(
                "see",
                pixels(call, unseen),
                call.list(sizes(unseen, EncodedImage::height)),
                call.list(sizes(unseen, EncodedImage::width)),
                call.tensor(windows.order()),
                call.tensor(windows.rows()),
                call.tensor(windows.columns()),
                call.list(windows.windows().counts()),
                call.list(windows.windows().sizes()),
                call.list(windows.images().counts()),
                call.list(windows.images().sizes()),
                call.tensor(images.unseenPlaces));
    }

    /** All images, one behind the other: (bytes) */
    private static IValue pixels(TorchModule.Call call, List<EncodedImage> images) {
        ByteBuffer pixels = call.staging(
                Math.toIntExact(images.stream().mapToLong(EncodedImage::bytes).sum()));
        images.forEach(image -> pixels.put(image.rgb()));
        return call.tensor(pixels.flip(), new Shape(pixels.remaining()), DataType.UINT8);
    }

    private static long[] sizes(List<EncodedImage> images, ToIntFunction<EncodedImage> size) {
        return images.stream().mapToLong(size::applyAsInt).toArray();
    }

    @Override
    public void close() {
        for (TorchModule.Call call : calls) {
            if (call != null) {
                call.close(); // of a pass that nobody awaited
            }
        }
        module.close();
    }
}
