package io.lychee.rerank.qwen;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.checkpoint.Safetensors;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;

/** Changes the golden checkpoint and writes it in the forms of other tools and versions. */
public final class CheckpointVariants {

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Map<String, Raw> tensors = new TreeMap<>();
    private final ObjectNode config =
            (ObjectNode) QwenGolden.json(QwenGolden.QWEN2_5.checkpoint.resolve("config.json"));

    /** A tensor as float32 values. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Raw(List<Long> shape, float[] values) {}

    public CheckpointVariants() {
        Safetensors.read(List.of(QwenGolden.QWEN2_5.checkpoint.resolve("model.safetensors")))
                .tensors()
                .forEach((name, tensor) -> {
                    float[] values = new float[Math.toIntExact(tensor.bytes() / 4)];
                    QwenGolden.all(tensor).asFloatBuffer().get(values);
                    tensors.put(name, new Raw(tensor.shape(), values));
                });
    }

    CheckpointVariants config(Consumer<ObjectNode> change) {
        change.accept(config);
        return this;
    }

    CheckpointVariants rename(UnaryOperator<String> name) {
        Map<String, Raw> renamed = new LinkedHashMap<>();
        tensors.forEach((old, tensor) -> renamed.put(name.apply(old), tensor));
        tensors.clear();
        tensors.putAll(renamed);
        return this;
    }

    Raw tensor(String name) {
        return Objects.requireNonNull(tensors.get(name), name);
    }

    public CheckpointVariants put(String name, List<Long> shape) {
        float[] values = new float[Math.toIntExact(shape.stream().reduce(1L, Math::multiplyExact))];
        Arrays.fill(values, 0.5f);
        tensors.put(name, new Raw(shape, values));
        return this;
    }

    CheckpointVariants put(String name, Raw tensor) {
        tensors.put(name, tensor);
        return this;
    }

    CheckpointVariants remove(String name) {
        Objects.requireNonNull(tensors.remove(name), name);
        return this;
    }

    /** Rounds every value towards zero to bfloat16. */
    CheckpointVariants roundToBf16() {
        tensors.replaceAll((name, tensor) -> {
            float[] rounded = tensor.values().clone();
            for (int i = 0; i < rounded.length; i++) {
                rounded[i] = Float.intBitsToFloat(Float.floatToRawIntBits(rounded[i]) & 0xffff0000);
            }
            return new Raw(tensor.shape(), rounded);
        });
        return this;
    }

    public Path write(Path directory, Safetensors.Type type) {
        writeFiles(directory);
        writeTensors(directory.resolve("model.safetensors"), tensors, type);
        return directory;
    }

    /** Writes this many files and their index. */
    public Path writeShards(Path directory, int shards) {
        writeFiles(directory);
        ObjectNode index = JSON.createObjectNode();
        ObjectNode weightMap = index.putObject("weight_map");
        List<String> names = List.copyOf(tensors.keySet());
        for (int shard = 0; shard < shards; shard++) {
            String file = "model-%05d-of-%05d.safetensors".formatted(shard + 1, shards);
            Map<String, Raw> part = new TreeMap<>();
            for (int i = shard; i < names.size(); i += shards) {
                part.put(names.get(i), tensor(names.get(i)));
                weightMap.put(names.get(i), file);
            }
            writeTensors(directory.resolve(file), part, Safetensors.Type.F32);
        }
        writeJson(directory.resolve("model.safetensors.index.json"), index);
        return directory;
    }

    private void writeFiles(Path directory) {
        writeJson(directory.resolve("config.json"), config);
        for (String name : List.of("preprocessor_config.json", "tokenizer.json")) {
            try {
                Files.copy(QwenGolden.QWEN2_5.checkpoint.resolve(name), directory.resolve(name));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private static void writeTensors(Path file, Map<String, Raw> tensors, Safetensors.Type type) {
        ObjectNode header = JSON.createObjectNode();
        header.putObject("__metadata__").put("format", "pt");
        long end = 0;
        for (Map.Entry<String, Raw> entry : tensors.entrySet()) {
            long begin = end;
            end += (long) entry.getValue().values().length * type.bytes;
            ObjectNode tensor = header.putObject(entry.getKey());
            tensor.put("dtype", type.name());
            entry.getValue().shape().forEach(tensor.withArray("shape")::add);
            tensor.withArray("data_offsets").add(begin).add(end);
        }
        byte[] text = header.toString().getBytes(StandardCharsets.UTF_8);
        int padded = (text.length + 7) / 8 * 8;
        ByteBuffer bytes = ByteBuffer.allocate(8 + padded + (int) end).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(padded).put(text);
        while (bytes.position() < 8 + padded) {
            bytes.put((byte) ' ');
        }
        for (Raw tensor : tensors.values()) {
            for (float value : tensor.values()) {
                switch (type) {
                    case F32 -> bytes.putFloat(value);
                    case BF16 -> bytes.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
                    case F16 -> bytes.putShort(toF16(value));
                    default -> throw new IllegalArgumentException(type.name());
                }
            }
        }
        try {
            Files.write(file, bytes.array());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Rounds towards zero; subnormal numbers become zero. */
    private static short toF16(float value) {
        int bits = Float.floatToRawIntBits(value);
        int exponent = ((bits >>> 23) & 0xff) - 127 + 15;
        if (exponent >= 31) {
            throw new IllegalArgumentException(value + " is too large");
        }
        int magnitude = exponent <= 0 ? 0 : (exponent << 10) | ((bits >>> 13) & 0x3ff);
        return (short) (((bits >>> 16) & 0x8000) | magnitude);
    }

    private static void writeJson(Path file, ObjectNode json) {
        try {
            Files.writeString(file, json.toPrettyString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
