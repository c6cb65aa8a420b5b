package io.lychee.rerank.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.qwen.QwenGolden;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsTest {

    @TempDir
    Path directory;

    @Test
    void a_tensor_and_where_it_lies() {
        Safetensors file = read("{\"a\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":[2,6]}}", 6);

        Safetensors.Tensor tensor = Objects.requireNonNull(file.tensors().get("a"));
        assertThat(tensor.shape()).containsExactly(2L, 1L);
        assertThat(tensor.type()).isEqualTo(Safetensors.Type.F16);
        assertThat(QwenGolden.all(tensor).getShort(0)).isEqualTo((short) 0x0302);
    }

    @Test
    void a_header_that_its_file_contradicts_is_refused() {
        assertRefused(
                "{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,6]}}", "tensor a F16 [2] at bytes 0 to 6");
        assertRefused("{\"a\":{\"dtype\":\"F16\",\"shape\":[-1],\"data_offsets\":[0,2]}}", "tensor a F16 [-1]");
        assertRefused(
                "{\"a\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,8]}}", "was its download cut short?");
        assertRefused(
                "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]}}", "\"F8_E4M3\"; expected F32");
        assertRefused("{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[1,5]}}", "tensor a at odd byte");
        assertRefused("not JSON", "not JSON");
    }

    /** Reads a tensor of the size of a published 7B's embedding in float32. */
    @Test
    void a_tensor_may_be_larger_than_a_buffer() throws IOException {
        long rows = 600_000_000;
        byte[] header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[%d,1],\"data_offsets\":[0,%d]}} "
                .formatted(rows, 4 * rows)
                .getBytes(StandardCharsets.UTF_8);
        Path path = directory.resolve("large.safetensors");
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) { // sparse: takes no room
            file.write(ByteBuffer.allocate(8)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(header.length)
                    .array());
            file.write(header);
            file.setLength(8 + header.length + 4 * rows);
            file.seek(file.length() - 1);
            file.write(7);
        }

        Safetensors.Tensor tensor =
                Objects.requireNonNull(Safetensors.read(List.of(path)).tensors().get("a"));
        List<Safetensors.Rows> parts = tensor.parts(64 << 20);
        assertThat(parts.stream().mapToLong(Safetensors.Rows::count).sum()).isEqualTo(rows);
        Safetensors.Rows last = parts.get(parts.size() - 1);
        assertThat(last.map().get(last.bytes() - 1)).isEqualTo((byte) 7);
    }

    @Test
    void a_file_that_is_something_else_is_refused() throws IOException {
        Path file = directory.resolve("git-lfs");
        Files.writeString(file, "version https://git-lfs.github.com/spec/v1\n");
        assertThatThrownBy(() -> Safetensors.read(List.of(file)))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("a header of");
        Files.writeString(file, "x");
        assertThatThrownBy(() -> Safetensors.read(List.of(file)))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("only 1 bytes");
    }

    private void assertRefused(String header, String message) {
        assertThatThrownBy(() -> read(header, 6))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("(model.checkpoint)")
                .hasMessageContaining(message);
    }

    /** @param data number of bytes after the header: 0, 1, 2… */
    private Safetensors read(String header, int data) {
        byte[] text = (header + " ".repeat(7 - (header.length() + 7) % 8)).getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(8 + text.length + data).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(text.length).put(text);
        for (int i = 0; i < data; i++) {
            bytes.put((byte) i);
        }
        try {
            return Safetensors.read(List.of(Files.write(directory.resolve("model.safetensors"), bytes.array())));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
