package io.lychee.rerank.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/** Heap and resident memory of this process, a sample a second. For one thread. */
final class BenchMemory {

    private static final Path STATUS = Path.of("/proc/self/status");
    private static final double MEBI = 1 << 20;

    /** Time in minutes, memory in MiB. */
    record Sample(double at, double heap, double resident) {}

    private final List<Sample> samples = new ArrayList<>();

    void sample() {
        double heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed() / MEBI;
        samples.add(new Sample(System.nanoTime() / 60e9, heap, resident() / MEBI));
    }

    /** Bytes; 0 where the system doesn't tell. */
    private static long resident() {
        try {
            return Files.readAllLines(STATUS).stream()
                    .filter(line -> line.startsWith("VmRSS:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
                    .findFirst()
                    .orElse(0);
        } catch (IOException e) {
            return 0;
        }
    }

    /** One a second. */
    List<Sample> samples() {
        return List.copyOf(samples);
    }

    /** The slopes leave out the first half, in which the JVM still grows. */
    Map<String, Object> figures() {
        Map<String, Object> figures = new LinkedHashMap<>();
        figures.put("heap_mib", samples.stream().mapToDouble(Sample::heap).max().orElse(0));
        figures.put(
                "resident_mib",
                samples.stream().mapToDouble(Sample::resident).max().orElse(0));
        List<Sample> late = samples.subList(samples.size() / 2, samples.size());
        figures.put("heap_slope", slope(late, Sample::heap));
        figures.put("resident_slope", slope(late, Sample::resident));
        figures.replaceAll((name, value) -> BenchOutput.round((Double) value));
        figures.put("slopes_in", "MiB a minute");
        return figures;
    }

    /** Least squares, MiB a minute. */
    private static double slope(List<Sample> samples, ToDoubleFunction<Sample> value) {
        double at = samples.stream().mapToDouble(Sample::at).average().orElse(0);
        double mean = samples.stream().mapToDouble(value).average().orElse(0);
        double covariance = 0;
        double variance = 0;
        for (Sample sample : samples) {
            covariance += (sample.at - at) * (value.applyAsDouble(sample) - mean);
            variance += (sample.at - at) * (sample.at - at);
        }
        return variance == 0 ? 0 : covariance / variance;
    }
}
