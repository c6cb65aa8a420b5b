package io.lychee.rerank.qwen;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.IValue;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.ImageProcessorConfig;
import io.lychee.rerank.checkpoint.NetworkConfig;
import io.lychee.rerank.checkpoint.TensorShapes;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.scoring.PromptPart;
import io.lychee.rerank.torch.TorchDevice;
import io.lychee.rerank.torch.TorchModule;
import io.lychee.rerank.torch.TorchScriptArchive;
import io.lychee.rerank.torch.TorchScriptSource;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Opens networks with random weights for benchmarks, and counts and times their matrix operations. */
public final class BenchHooks {

    /** A method of class Reranker. Speed doesn't depend on the weights. */
    private static final String FILL_RANDOM = """

                def fill_random(self) -> int:
                    weights = self.weights
                    assert weights is not None
                    for name in self.views.keys():
                        shape = self.views[name].shape
                        if len(shape) > 1:
                            rows = torch.randn(shape, device=self.views[name].device) * 0.02
                        else:
                            rows = torch.full(shape, 0.02 if name.endswith("bias") else 1.0)
                        weights.fill(name, 0, rows)
                    return len(self.views)
            """;

    private static final String GEMM = """
            import torch
            import torch.nn.functional as F
            from torch.nn import Module


            class Gemm(Module):
                device: str
                dtype: int

                # Multiplies random (size, size) matrices this many times; returns when the device is done.
                def multiply(self, size: int, times: int) -> float:
                    a = torch.randn([size, size], device=torch.device(self.device)).to(self.dtype)
                    b = torch.randn([size, size], device=torch.device(self.device)) / size**0.5  # keeps the magnitude
                    b = b.to(self.dtype)
                    for _ in range(times):
                        a = F.linear(a, b)
                    return float(a[0, 0].item())
            """;

    private final TorchDevice device;
    private final QwenScorer scorer;

    private BenchHooks(TorchDevice device, QwenScorer scorer) {
        this.device = device;
        this.scorer = scorer;
    }

    /**
     * Opens a network of a published shape with random weights, made on the device.
     *
     * @param shape see {@link BenchShape}
     */
    public static BenchHooks random(RerankConfig.Model settings, QwenScorer.Bounds bounds, String shape) {
        CheckpointFiles checkpoint = CheckpointFiles.of(settings.checkpoint());
        NetworkConfig config = BenchShape.of(shape, NetworkConfig.read(checkpoint));
        TorchDevice device = TorchDevice.of(settings.device(), settings.precision());
        Map<String, String> sources = QwenNetwork.sources(config.family(), device);
        sources.merge("reranker", FILL_RANDOM, String::concat);
        ImageProcessorConfig preprocessor = config.family().preprocessor(checkpoint);
        ModelInfo model = new ModelInfo("random-" + shape, "random");
        return new BenchHooks(
                device,
                QwenScorer.open(
                        config,
                        preprocessor,
                        device,
                        sources,
                        bounds,
                        model,
                        network -> fillRandom(network, config.text().hidden())));
    }

    private static void fillRandom(QwenNetwork network, int hidden) {
        try (TorchModule.Call call = network.module.call()) {
            call.run("fill_random");
            float[] row = new float[hidden];
            IValue no = call.tensor(FloatBuffer.wrap(row.clone()), new Shape(hidden), DataType.FLOAT32);
            Arrays.fill(row, 0.01f);
            IValue yes = call.tensor(FloatBuffer.wrap(row), new Shape(hidden), DataType.FLOAT32);
            call.run("finish", yes, no, false);
        }
    }

    public QwenScorer scorer() {
        return scorer;
    }

    /** Measures large matrix products in the network's dtype: operations a second. */
    public double gemmRate() {
        int size = device.isCpu() ? 1024 : 8192; // large enough to reach the device's rate
        int times = device.isCpu() ? 10 : 200;
        Map<String, ?> attributes = Map.of(
                "training", false, "device", device.name(), "dtype", TorchScriptSource.scalarType(device.dtype()));
        byte[] archive =
                TorchScriptArchive.write(TorchScriptSource.translate(Map.of("gemm", GEMM)), "gemm.Gemm", attributes);
        try (TorchModule module = TorchModule.load(archive);
                TorchModule.Call call = module.call()) {
            call.run("multiply", size, 3);
            long start = System.nanoTime();
            call.run("multiply", size, times);
            return 2.0 * size * size * size * times / ((System.nanoTime() - start) / 1e9);
        }
    }

    /** Counts the multiplications and additions of a part's tokens in all matrices but the head. */
    public double operations(PromptPart part) {
        double textToken = 0;
        double imageToken = 0;
        NetworkConfig config = scorer.config;
        double patches = (double) config.vision().merge() * config.vision().merge();
        for (Map.Entry<String, List<Long>> tensor : TensorShapes.of(config).entrySet()) {
            List<Long> shape = tensor.getValue();
            double matrix = shape.size() == 2 ? 2.0 * shape.get(0) * shape.get(1) : 0;
            if (tensor.getKey().startsWith("model.layers.")) {
                textToken += matrix;
            } else if (tensor.getKey().startsWith("visual.blocks.")) {
                imageToken += patches * matrix;
            } else if (tensor.getKey().contains("merger")) {
                imageToken += matrix;
            }
        }
        return part.tokens().length * textToken + part.visionTokens() * imageToken;
    }
}
