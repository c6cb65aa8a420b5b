package io.lychee.rerank.qwen;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.IValue;
import io.lychee.rerank.config.Preprocessor;
import io.lychee.rerank.scoring.EncodedImage;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToIntFunction;
import java.util.stream.LongStream;

/**
 * The network of {@code src/main/resources/torchscript} with a checkpoint's weights, on one device. Owned by one thread
 * at a time.
 */
final class QwenNetwork implements AutoCloseable {

    private static final List<String> MODULES = List.of("attention", "vision", "language", "reranker");

    private final QwenConfig config;
    private final TorchModule module;

    private QwenNetwork(QwenConfig config, TorchModule module) {
        this.config = config;
        this.module = module;
    }

    /** What the score compares: the ids of the tokens "yes" and "no". */
    record Answers(int yes, int no) {}

    /** Copies every tensor to the device. */
    static QwenNetwork load(
            QwenConfig config,
            Preprocessor preprocessor,
            CheckpointTensors tensors,
            TorchDevice device,
            Answers answers) {
        byte[] archive = TorchScriptArchive.write(
                TorchScriptSource.translate(sources()),
                "reranker.Reranker",
                attributes(config, preprocessor, tensors, device, answers));
        TorchModule module = TorchModule.load(archive, !device.isCpu());
        try {
            tensors.byName().forEach((name, tensor) -> loadTensor(module, name, tensor));
            try (TorchModule.Call call = module.call()) {
                long left = call.run("build").toLong();
                if (left != 0) {
                    throw new IllegalStateException(left + " tensors that the network has no use for");
                }
            }
        } catch (RuntimeException e) {
            module.close();
            throw e;
        }
        return new QwenNetwork(config, module);
    }

    private static void loadTensor(TorchModule module, String name, Safetensors.Tensor tensor) {
        boolean bfloat16 = tensor.type() == Safetensors.Type.BF16;
        // bf16 goes in as the bits of an f16: DJL's own bf16 arrays end the JVM
        DataType type = tensor.type() == Safetensors.Type.F32 ? DataType.FLOAT32 : DataType.FLOAT16;
        Shape shape = new Shape(tensor.shape().stream().mapToLong(size -> size).toArray());
        try (TorchModule.Call call = module.call()) {
            call.run("load", call.value(name), call.tensor(tensor.map(), shape, type), call.value(bfloat16));
        }
    }

    private static Map<String, String> sources() {
        Map<String, String> sources = new LinkedHashMap<>();
        for (String name : MODULES) {
            String path = "/torchscript/" + name + ".py";
            try (InputStream in = QwenNetwork.class.getResourceAsStream(path)) {
                if (in == null) {
                    throw new IllegalStateException("no resource " + path);
                }
                sources.put(name, new String(in.readAllBytes(), StandardCharsets.UTF_8));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return sources;
    }

    /** Everything that class Reranker declares. */
    private static Map<String, ?> attributes(
            QwenConfig config,
            Preprocessor preprocessor,
            CheckpointTensors tensors,
            TorchDevice device,
            Answers answers) {
        QwenConfig.Text text = config.text();
        QwenConfig.Vision vision = config.vision();
        Map<String, Object> attributes = new HashMap<>();
        attributes.put("training", false);
        attributes.put("device", device.name());
        attributes.put("dtype", TorchScriptSource.scalarType(device.dtype()));
        attributes.put("head_name", tensors.tied() ? CheckpointTensors.EMBEDDING : CheckpointTensors.HEAD);
        attributes.put("yes_id", answers.yes());
        attributes.put("no_id", answers.no());
        attributes.put("vision_depth", vision.depth());
        attributes.put("vision_heads", vision.heads());
        attributes.put("patch", vision.patch());
        attributes.put("merge", vision.merge());
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
        attributes.put("weights", new TorchScriptArchive.Typed("Dict[str, Tensor]", Map.of()));
        attributes.put("head", null);
        attributes.put("visual", null);
        attributes.put("language", null);
        return attributes;
    }

    /** Probability of yes for each candidate. */
    float[] score(PackedPass pass) {
        try (TorchModule.Call call = module.call()) {
            return call.floats(call.run("judge", read(call, pass)));
        }
    }

    /** What the language model makes of each candidate's last token: (candidates, hidden), row by row. CPU only. */
    float[] lastHidden(PackedPass pass) {
        try (TorchModule.Call call = module.call()) {
            return call.floats(read(call, pass));
        }
    }

    /** What the language model sees of each image: (cells, hidden), row by row. CPU only. */
    float[] vision(List<EncodedImage> images) {
        try (TorchModule.Call call = module.call()) {
            return call.floats(see(call, images));
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

    private IValue read(TorchModule.Call call, PackedPass pass) {
        IValue tokens = call.tensor(pass.tokens());
        IValue positions = call.tensor(pass.positions());
        IValue last = call.tensor(pass.last());
        IValue prefixes = call.list(pass.prefixes());
        IValue counts = call.list(pass.counts());
        IValue candidates = call.list(pass.candidates());
        IValue imageRows = call.tensor(pass.imageRows());
        if (pass.images().isEmpty()) {
            return call.run("read", tokens, positions, last, prefixes, counts, candidates, imageRows);
        }
        IValue images = see(call, pass.images());
        return call.run("read", tokens, positions, last, prefixes, counts, candidates, imageRows, images);
    }

    private IValue see(TorchModule.Call call, List<EncodedImage> images) {
        VisionWindows windows =
                new VisionWindows(config.vision().windowCells(), config.vision().merge());
        int cell = config.vision().cell();
        images.forEach(image -> windows.add(image.height() / cell, image.width() / cell));
        return call.run(
                "see",
                pixels(call, images),
                call.list(sizes(images, EncodedImage::height)),
                call.list(sizes(images, EncodedImage::width)),
                call.tensor(windows.order()),
                call.tensor(windows.rows()),
                call.tensor(windows.columns()),
                call.list(windows.windows().counts()),
                call.list(windows.windows().sizes()),
                call.list(windows.images().counts()),
                call.list(windows.images().sizes()));
    }

    private static IValue pixels(TorchModule.Call call, List<EncodedImage> images) {
        ByteBuffer pixels = PackedPass.pixels(images);
        return call.tensor(pixels, new Shape(pixels.remaining()), DataType.UINT8);
    }

    private static long[] sizes(List<EncodedImage> images, ToIntFunction<EncodedImage> size) {
        return images.stream().mapToLong(size::applyAsInt).toArray();
    }

    @Override
    public void close() {
        module.close();
    }
}
