package io.lychee.rerank.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.lychee.rerank.config.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** Whether a checkpoint fits, said before loading it fails in a place that can say nothing. */
final class MemoryCheck {

    private static final Path MEMORY = Path.of("/proc/meminfo");
    private static final Path NVIDIA = Path.of("/dev/nvidiactl");

    private MemoryCheck() {}

    /** Bytes of the weights as they lie in the checkpoint. */
    static long weights(CheckpointFiles checkpoint) {
        try (var files = Files.list(checkpoint.directory())) {
            long bytes = 0;
            for (Path file : files.toList()) {
                bytes += file.toString().endsWith(".safetensors") ? Files.size(file) : 0;
            }
            return bytes;
        } catch (IOException e) {
            throw new ConfigException(
                    "model.checkpoint: " + checkpoint.directory() + " can't be listed: " + e.getMessage(), e);
        }
    }

    /**
     * On a processor weights are float32, twice what 16 bit take in the files. Where the system doesn't say what is
     * free, or a GPU may be used, nothing is judged.
     *
     * @throws ConfigException when they don't fit
     */
    static void require(CheckpointFiles checkpoint, String device) {
        boolean processor = device.equals("cpu") || (device.equals("auto") && !Files.exists(NVIDIA));
        if (!processor || !Files.isReadable(MEMORY)) {
            return;
        }
        JsonNode config = checkpoint.json("config.json");
        String type = config.path("torch_dtype").asText(config.path("dtype").asText());
        long needed = weights(checkpoint) * (type.equals("float32") ? 1 : 2);
        long available = available();
        if (needed > available) {
            throw new ConfigException(
                    "%s (model.checkpoint) needs about %s GB of memory on a processor, and %s GB are free"
                            .formatted(checkpoint.directory(), gigabytes(needed), gigabytes(available)));
        }
    }

    static String gigabytes(long bytes) {
        return String.format(Locale.ROOT, "%.2f", bytes / 1e9);
    }

    private static long available() {
        try {
            return Files.readAllLines(MEMORY).stream()
                    .filter(line -> line.startsWith("MemAvailable:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
                    .findFirst()
                    .orElse(Long.MAX_VALUE);
        } catch (IOException e) {
            return Long.MAX_VALUE;
        }
    }
}
