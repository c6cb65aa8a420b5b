package io.lychee.rerank.qwen;

import io.lychee.rerank.checkpoint.NetworkConfig;
import io.lychee.rerank.checkpoint.Safetensors;
import io.lychee.rerank.checkpoint.TensorShapes;
import io.lychee.rerank.config.ConfigException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Matches a checkpoint's tensors with those of the network: none missing, none extra, every shape as configured.
 *
 * @param byName by published name, in the order of the network
 * @param tied whether the head is the token embedding
 */
record CheckpointTensors(Map<String, Safetensors.Tensor> byName, boolean tied) {

    /** @throws ConfigException naming the first tensor that is missing, misshapen, unknown or duplicate */
    static CheckpointTensors match(NetworkConfig config, Safetensors checkpoint) {
        Map<String, Safetensors.Tensor> found = new LinkedHashMap<>();
        for (Safetensors.Tensor tensor : checkpoint.tensors().values()) {
            Safetensors.Tensor twin = found.put(canonical(tensor.name()), tensor);
            if (twin != null) {
                throw new ConfigException("model.checkpoint: tensors %s in %s and %s in %s are the same one"
                        .formatted(twin.name(), twin.file(), tensor.name(), tensor.file()));
            }
        }
        boolean tied = config.tied() == null ? !found.containsKey(TensorShapes.HEAD) : config.tied();
        Map<String, Safetensors.Tensor> byName = new LinkedHashMap<>();
        TensorShapes.of(config).forEach((name, shape) -> {
            Safetensors.Tensor tensor = found.remove(name);
            // some checkpoints save a tied head too; it equals the embedding and stays unread
            if (!name.equals(TensorShapes.HEAD) || !tied) {
                byName.put(name, checked(name, shape, tensor, checkpoint));
            }
        });
        if (!found.isEmpty()) {
            Safetensors.Tensor extra = found.values().iterator().next();
            throw new ConfigException(
                    "%s (model.checkpoint) has tensor %s %s, which this configuration has no place for%s"
                            .formatted(
                                    extra.file(),
                                    extra.name(),
                                    extra.shape(),
                                    found.size() == 1 ? "" : "; " + (found.size() - 1) + " more like it"));
        }
        return new CheckpointTensors(byName, tied);
    }

    /** Returns the output matrix: (vocabulary, hidden). */
    Safetensors.Tensor head() {
        return Objects.requireNonNull(byName.get(tied ? TensorShapes.EMBEDDING : TensorShapes.HEAD));
    }

    private static Safetensors.Tensor checked(
            String name, List<Long> shape, Safetensors.@Nullable Tensor tensor, Safetensors checkpoint) {
        if (tensor == null) {
            throw new ConfigException(
                    "model.checkpoint lacks tensor %s %s; looked in %s".formatted(name, shape, checkpoint.files()));
        }
        if (!tensor.shape().equals(shape)) {
            throw new ConfigException("%s (model.checkpoint) has tensor %s of shape %s; config.json asks for %s"
                    .formatted(tensor.file(), tensor.name(), tensor.shape(), shape));
        }
        if (tensor.type() == Safetensors.Type.I32 || tensor.type() == Safetensors.Type.I64) {
            throw new ConfigException("%s (model.checkpoint) has tensor %s of type %s; expected F32, F16 or BF16"
                    .formatted(tensor.file(), tensor.name(), tensor.type()));
        }
        return tensor;
    }

    /** Converts a name of newer transformers releases to the older one, which published checkpoints use. */
    private static String canonical(String name) {
        return name.replaceFirst("^model\\.visual\\.", "visual.").replaceFirst("^model\\.language_model\\.", "model.");
    }
}
