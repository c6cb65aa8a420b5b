package io.lychee.rerank.cli;

import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.joining;
import static java.util.stream.Collectors.mapping;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.lychee.rerank.checkpoint.Families;
import io.lychee.rerank.checkpoint.Family;
import io.lychee.rerank.cli.KnownCheckpoint.Fact;
import io.lychee.rerank.cli.KnownCheckpoint.Measured;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.Precision;
import io.lychee.rerank.engine.MemoryCheck;
import io.lychee.rerank.torch.TorchDevice;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help;
import picocli.CommandLine.Option;

/** {@code ./lychee models}: lists the known checkpoints, and where their weights fit on this machine. */
@Command(name = "models", description = "Lists the checkpoints known to work, and which fit this machine. Loads none.")
final class ModelsCommand implements Callable<Integer> {

    private static final int LABEL = 13;
    private static final int TEXT = 87;
    private static final List<Precision> PRECISIONS = List.of(Precision.FLOAT32, Precision.BFLOAT16, Precision.FP8);

    @Option(names = "--json", description = "Prints the same as JSON.")
    private boolean json;

    /**
     * @param description the GPU's name, or the number of cores
     * @param precisions those that fit is judged in
     * @param freeBytes null when CUDA doesn't report them
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Device(
            String name,
            String description,
            List<Precision> precisions,
            @Nullable Long freeBytes) {

        String verdict(Precision precision, long needed) {
            if (!precisions.contains(precision)) {
                return "no " + precision;
            }
            return freeBytes == null ? "free memory unknown" : needed <= freeBytes ? "fits" : "too large";
        }
    }

    private record Machine(List<Device> devices, String gpus) {}

    /**
     * @param measuredBytes in use while scoring; null when not measured
     * @param devices a verdict each, by name
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Fit(
            String checkpoint,
            Precision precision,
            long weightBytes,
            @Nullable Long measuredBytes,
            Map<String, String> devices) {}

    private record Report(List<KnownCheckpoint> checkpoints, Machine machine, List<Fit> fits) {}

    @Override
    public Integer call() throws Exception {
        List<KnownCheckpoint> all = KnownCheckpoint.all();
        Machine machine = machine();
        List<Fit> fits = all.stream()
                .flatMap(known -> PRECISIONS.stream().map(precision -> fit(known, precision, machine.devices())))
                .toList();
        if (json) {
            System.out.println(new ObjectMapper()
                    .writerWithDefaultPrettyPrinter()
                    .with(SerializationFeature.WRITE_ENUMS_USING_TO_STRING)
                    .writeValueAsString(new Report(all, machine, fits)));
            return 0;
        }
        all.forEach(ModelsCommand::print);
        print(machine, fits);
        System.out.printf(
                "%nNone was run with its published weights yet; small networks of the families match transformers.%n"
                        + "To get one: ./lychee pull NAME, then ./lychee up --checkpoint hf:NAME%n"
                        + "Other checkpoints of these families work too: %s%n",
                Families.ALL.stream().map(Family::modelType).collect(joining(", ")));
        return 0;
    }

    private static Machine machine() {
        List<Device> devices = new ArrayList<>();
        String cores = Runtime.getRuntime().availableProcessors() + " cores";
        devices.add(new Device("cpu", cores, List.of(Precision.FLOAT32), MemoryCheck.available()));
        try {
            for (TorchDevice device : TorchDevice.all("auto")) {
                if (!device.isCpu()) {
                    long free = TorchDevice.freeMemory(device.name());
                    devices.add(new Device(
                            device.name(),
                            device.card(),
                            PRECISIONS.subList(1, device.hasE4m3() ? 3 : 2),
                            free == Long.MAX_VALUE ? null : free));
                }
            }
            return new Machine(devices, devices.size() == 1 ? "none that PyTorch sees" : "" + (devices.size() - 1));
        } catch (ConfigException e) {
            return new Machine(devices, "unknown: " + e.getMessage());
        }
    }

    /** Judges as the start of a job does; float32 is for the CPU, the others for GPUs. */
    static Fit fit(KnownCheckpoint known, Precision precision, List<Device> devices) {
        long needed = MemoryCheck.needed(known.bytes(), precision);
        Map<String, String> verdicts = new LinkedHashMap<>();
        devices.stream()
                .filter(device -> device.name().equals("cpu") == (precision == Precision.FLOAT32))
                .forEach(device -> verdicts.put(device.name(), device.verdict(precision, needed)));
        Long measured = known.memory().stream()
                .filter(memory -> memory.precision().equals(precision.toString()))
                .map(Measured::bytes)
                .findFirst()
                .orElse(null);
        return new Fit(known.name(), precision, needed, measured, verdicts);
    }

    private static void print(KnownCheckpoint known) {
        Help.TextTable table = Help.TextTable.forColumnWidths(Help.defaultColorScheme(Help.Ansi.OFF), LABEL, TEXT);
        table.addRowValues("  family", known.family());
        String size = "%,d parameters, %s on disk".formatted(known.parameters(), gigabytes(known.bytes()));
        table.addRowValues("  size", size);
        known.facts().forEach((about, facts) -> add(table, about, facts));
        String memory = "%s: %s (%,d MiB) in use over %s";
        add(
                table,
                "memory",
                known.memory().stream()
                        .map(m -> new Fact(
                                memory.formatted(m.precision(), gigabytes(m.bytes()), m.mebibytes(), m.load()),
                                m.source()))
                        .toList());
        System.out.println(known.name());
        System.out.println(table);
    }

    private static void add(Help.TextTable table, String about, List<Fact> facts) {
        String label = "  " + about;
        table.addRowValues(label, facts.isEmpty() ? "-" : facts.get(0).toString());
        facts.stream().skip(1).forEach(fact -> table.addRowValues("", fact.toString()));
    }

    private static void print(Machine machine, List<Fit> fits) {
        List<String[]> devices = new ArrayList<>();
        for (Device device : machine.devices()) {
            devices.add(
                    new String[] {device.name() + ", " + device.description(), gigabytes(device.freeBytes()) + " free"
                    });
        }
        devices.add(new String[] {"GPUs", machine.gpus()});
        TextTable.print(System.out, "This machine", devices);
        List<String[]> rows = new ArrayList<>();
        rows.add(new String[] {"", "precision", "weights", "measured", "here"});
        for (Fit fit : fits) {
            rows.add(new String[] {
                fit.checkpoint(),
                fit.precision().toString(),
                gigabytes(fit.weightBytes()),
                gigabytes(fit.measuredBytes()),
                fit.devices().isEmpty() ? "no GPU" : verdicts(fit.devices())
            });
        }
        TextTable.print(
                System.out,
                "Fits: weights alone (of fp8: about) need no more than the free memory, as a job checks at its start.\n"
                        + "Lists need more: measured is all memory in use while scoring, from above",
                rows);
    }

    private static String gigabytes(@Nullable Long bytes) {
        return bytes == null ? "-" : MemoryCheck.gigabytes(bytes) + " GB";
    }

    /** Returns "cuda:0 cuda:1: fits; cuda:2: too large". */
    static String verdicts(Map<String, String> devices) {
        return devices.entrySet().stream()
                .collect(groupingBy(Map.Entry::getValue, LinkedHashMap::new, mapping(Map.Entry::getKey, joining(" "))))
                .entrySet()
                .stream()
                .map(entry -> entry.getValue() + ": " + entry.getKey())
                .collect(joining("; "));
    }
}
