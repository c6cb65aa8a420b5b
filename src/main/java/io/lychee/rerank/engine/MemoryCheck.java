package io.lychee.rerank.engine;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.management.OperatingSystemMXBean;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.Precision;
import io.lychee.rerank.torch.TorchDevice;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.stream.Stream;

/** Checks free memory before a checkpoint loads, because the native loader fails without a useful message. */
public final class MemoryCheck {

    private static final Path MEMORY = Path.of("/proc/meminfo");
    /** Share of 16-bit weights that is left: embeddings, last layer and norms keep 16 bits. */
    private static final int FP8_PERCENT = 60;

    private static final Path NVIDIA = Path.of("/dev/nvidiactl");

    private MemoryCheck() {}

    /** Sums the sizes of the weight files, in bytes. */
    public static long weights(CheckpointFiles checkpoint) {
        return checkpoint.weights().stream()
                .mapToLong(file -> file.toFile().length())
                .sum();
    }

    /**
     * Compares the weights with the free memory of the device: float32 on the CPU, 16 bit on a GPU, or as asked. Passes
     * when free memory or the device is unknown.
     *
     * @param device cpu, cuda, cuda:N or auto
     * @throws ConfigException when the weights don't fit
     */
    public static void require(CheckpointFiles checkpoint, String device, Precision precision) {
        boolean processor = device.equals("cpu") || (device.equals("auto") && !Files.exists(NVIDIA));
        JsonNode config = checkpoint.json("config.json");
        String type = config.path("torch_dtype").asText(config.path("dtype").asText());
        long inHalf = weights(checkpoint) / (type.equals("float32") ? 2 : 1);
        if (processor && Files.isReadable(MEMORY)) {
            Precision own = precision == Precision.AUTO ? Precision.FLOAT32 : precision;
            requireFit(checkpoint, needed(inHalf, own), available(), "a processor");
        } else if (device.startsWith("cuda:")) {
            requireFit(checkpoint, needed(inHalf, precision), TorchDevice.freeMemory(device), device);
        }
    }

    /** Returns the bytes of weights in a precision, from their bytes in 16 bits; about, for fp8. */
    public static long needed(long inHalf, Precision precision) {
        return switch (precision) {
            case FLOAT32 -> 2 * inHalf;
            case FP8 -> inHalf * FP8_PERCENT / 100;
            default -> inHalf;
        };
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

    /** Returns the machine's free bytes, at most the container's total. */
    public static long available() {
        long container = ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getTotalMemorySize();
        try (Stream<String> lines = Files.lines(MEMORY)) {
            return lines.filter(line -> line.startsWith("MemAvailable:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
                    .map(free -> Math.min(free, container))
                    .findFirst()
                    .orElse(container);
        } catch (IOException e) {
            return container;
        }
    }
}
