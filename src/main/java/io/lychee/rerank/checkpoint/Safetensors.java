package io.lychee.rerank.checkpoint;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Locates the tensors of a checkpoint in its safetensors files. Reads and checks the headers only; {@link Rows#map}
 * maps the data.
 *
 * @param tensors by name
 */
public record Safetensors(Map<String, Tensor> tensors, List<Path> files) {

    private static final int MAX_HEADER = 100 << 20;
    private static final ObjectMapper JSON = new ObjectMapper();

    /** The number format in the file. */
    public enum Type {
        F32(4),
        F16(2),
        BF16(2),
        I32(4),
        I64(8);

        public final int bytes;

        Type(int bytes) {
            this.bytes = bytes;
        }
    }

    /** @param offset of the first byte in the file */
    public record Tensor(String name, Path file, Type type, List<Long> shape, long offset, long bytes) {

        public Rows rows(int start, int count) {
            return new Rows(this, start, count);
        }

        /** Splits the tensor by rows into parts of at most {@code maxBytes}, or of one row. */
        public List<Rows> parts(int maxBytes) {
            int rows = Math.toIntExact(shape.get(0));
            int step = Math.max(1, (int) (maxBytes * (long) rows / Math.max(1, bytes)));
            List<Rows> parts = new ArrayList<>();
            for (int start = 0; start < rows; start += step) {
                parts.add(rows(start, Math.min(step, rows - start)));
            }
            return parts;
        }
    }

    /** Consecutive rows of a tensor. */
    public record Rows(Tensor tensor, int start, int count) {

        public long[] shape() {
            long[] shape = tensor.shape.stream().mapToLong(size -> size).toArray();
            shape[0] = count;
            return shape;
        }

        public int bytes() {
            return Math.toIntExact(rowBytes() * count);
        }

        private long rowBytes() {
            return tensor.bytes / tensor.shape.get(0);
        }

        /** Maps the data, little-endian, until the buffer is unreachable. */
        public ByteBuffer map() {
            try (FileChannel channel = FileChannel.open(tensor.file)) {
                return channel.map(FileChannel.MapMode.READ_ONLY, tensor.offset + rowBytes() * start, bytes())
                        .order(ByteOrder.LITTLE_ENDIAN);
            } catch (IOException e) {
                throw new ConfigException(
                        "%s (model.checkpoint): tensor %s can't be read: %s".formatted(tensor.file, tensor.name, e), e);
            }
        }
    }

    /**
     * Reads the headers of weight files.
     *
     * @throws ConfigException when a header contradicts its file, or two files have a tensor of one name
     */
    public static Safetensors read(Collection<Path> files) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (Path file : files) {
            for (Tensor tensor : readHeader(file)) {
                Tensor twin = tensors.put(tensor.name, tensor);
                if (twin != null) {
                    throw new ConfigException(
                            "tensor %s (model.checkpoint) is in %s and in %s".formatted(tensor.name, twin.file, file));
                }
            }
        }
        return new Safetensors(Map.copyOf(tensors), List.copyOf(files));
    }

    private static List<Tensor> readHeader(Path file) {
        try (FileChannel channel = FileChannel.open(file)) {
            ByteBuffer start = read(channel, 0, Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            if (start.remaining() < Long.BYTES) {
                throw broken(file, "only " + start.remaining() + " bytes");
            }
            long length = start.getLong();
            if (length < 2 || length > MAX_HEADER || length > channel.size() - Long.BYTES) {
                throw broken(file, "a header of %d bytes in a file of %d".formatted(length, channel.size()));
            }
            JsonNode header =
                    JSON.readTree(read(channel, Long.BYTES, (int) length).array());
            List<Tensor> tensors = new ArrayList<>();
            header.properties().forEach(entry -> {
                if (!entry.getKey().equals("__metadata__")) {
                    tensors.add(tensor(entry.getKey(), entry.getValue(), file, Long.BYTES + length));
                }
            });
            for (Tensor tensor : tensors) {
                if (tensor.offset + tensor.bytes > channel.size()) {
                    throw broken(
                            file,
                            "tensor %s up to byte %d, but the file has %d; was its download cut short?"
                                    .formatted(tensor.name, tensor.offset + tensor.bytes, channel.size()));
                }
            }
            return tensors;
        } catch (JacksonException e) {
            throw broken(file, "a header that is not JSON: " + e.getOriginalMessage());
        } catch (IOException e) {
            throw new ConfigException("%s (model.checkpoint) can't be read: %s".formatted(file, e), e);
        }
    }

    private static Tensor tensor(String name, JsonNode node, Path file, long dataStart) {
        Type type;
        try {
            type = Type.valueOf(node.path("dtype").asText());
        } catch (IllegalArgumentException e) {
            throw broken(file, "tensor %s of type %s; expected F32, F16 or BF16".formatted(name, node.path("dtype")));
        }
        List<Long> shape = new ArrayList<>();
        node.path("shape").forEach(size -> shape.add(size.asLong(-1)));
        long begin = node.path("data_offsets").path(0).asLong(-1);
        long end = node.path("data_offsets").path(1).asLong(-1);
        long bytes = shape.stream().reduce((long) type.bytes, Safetensors::times);
        if (begin < 0 || end - begin != bytes) {
            throw broken(file, "tensor %s %s %s at bytes %d to %d".formatted(name, type, shape, begin, end));
        }
        if ((dataStart + begin) % 2 != 0) { // PyTorch would read 2-byte numbers across two words
            throw broken(file, "tensor %s at odd byte %d".formatted(name, dataStart + begin));
        }
        return new Tensor(name, file, type, List.copyOf(shape), dataStart + begin, bytes);
    }

    private static long times(long a, long b) {
        return a < 0 || b < 0 ? -1 : Math.multiplyExact(a, b);
    }

    /** Reads this many bytes, or fewer at the end of the file. */
    static ByteBuffer read(FileChannel channel, long position, int bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes);
        while (buffer.hasRemaining() && channel.read(buffer, position + buffer.position()) >= 0) {
            // until full or at the end
        }
        return buffer.flip();
    }

    private static ConfigException broken(Path file, String found) {
        return new ConfigException("%s (model.checkpoint) has %s".formatted(file, found));
    }
}
