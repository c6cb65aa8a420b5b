package io.lychee.rerank.engine;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.management.OperatingSystemMXBean;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.qwen.QwenScorer;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** Whether a checkpoint fits, said before loading it fails in a place that can say nothing. */
public final class MemoryCheck {

    private static final Path MEMORY = Path.of("/proc/meminfo");
    private static final Path NVIDIA = Path.of("/dev/nvidiactl");

    private MemoryCheck() {}

    /** Bytes of the weights as they lie in the checkpoint. */
    public static long weights(CheckpointFiles checkpoint) {
        long bytes = 0;
        for (Path file : checkpoint.weights()) {
            bytes += file.toFile().length();
        }
        return bytes;
    }

    /**
     * On a processor weights are float32, twice what 16 bit take in the files; on a GPU 16 bit. Where nobody says what
     * is free, or which device it will be, nothing is judged.
     *
     * @param device cpu, cuda, cuda:N or auto
     * @throws ConfigException when they don't fit
     */
    public static void require(CheckpointFiles checkpoint, String device) {
        boolean processor = device.equals("cpu") || (device.equals("auto") && !Files.exists(NVIDIA));
        JsonNode config = checkpoint.json("config.json");
        String type = config.path("torch_dtype").asText(config.path("dtype").asText());
        long inHalf = weights(checkpoint) / (type.equals("float32") ? 2 : 1);
        if (processor && Files.isReadable(MEMORY)) {
            requireFit(checkpoint, 2 * inHalf, available(), "a processor");
        } else if (device.startsWith("cuda:")) {
            requireFit(checkpoint, inHalf, QwenScorer.freeMemory(device), device);
        }
    }

    private static void requireFit(CheckpointFiles checkpoint, long needed, long available, String device) {
        if (needed > available) {
            throw new ConfigException("%s (model.checkpoint) needs about %s GB of memory on %s, and %s GB are free"
                    .formatted(checkpoint.directory(), gigabytes(needed), device, gigabytes(available)));
        }
    }

    public static String gigabytes(long bytes) {
        return String.format(Locale.ROOT, "%.2f", bytes / 1e9);
    }

    /** Of the machine, and never more than the container has. */
    private static long available() {
        long container = ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean system
                ? system.getTotalMemorySize()
                : Long.MAX_VALUE;
        return Math.min(container, free());
    }

    private static long free() {
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
