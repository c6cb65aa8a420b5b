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
@Command(
        name = "models",
        description = "Lists the checkpoints known to work, and which fit this machine. Loads none.")
final class ModelsCommand implements Callable<Integer> {

    private static final int LABEL = 13;
    private static final int TEXT = 87;
    private static final String UNKNOWN = "-";
    private static final List<Precision> PRECISIONS = List.of(Precision.FLOAT32, Precision.BFLOAT16, Precision.FP8);

    @Option(names = "--json", description = "Prints the same as JSON.")
    private boolean json;

    /**
     * @param description the GPU's name, or the number of cores
     * @param precisions those that fit is judged in
     * @param freeBytes null when CUDA doesn't report them
     */
    private record Device(
            String name,
            String description,
            List<Precision> precisions,
            @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable Long freeBytes) {

        String verdict(Precision precision, long needed) {
            if (!precisions.contains(precision)) {
                return "no " + precision;
            }
            return freeBytes == null ? "free memory unknown" : needed <= freeBytes ? "fits" : "too large";
        }
    }

    /** @param devices a verdict each, by name */
    private record Fit(String checkpoint, Precision precision, long weightBytes, Map<String, String> devices) {}

    private record Machine(List<Device> devices, String gpus) {}

    private record Report(List<KnownCheckpoint> checkpoints, Machine machine, List<Fit> fits) {}

    @Override
    public Integer call() throws Exception {
        List<KnownCheckpoint> checkpoints = KnownCheckpoint.all();
        Machine machine = machine();
        List<Fit> fits = checkpoints.stream()
                .flatMap(known -> PRECISIONS.stream().map(precision -> fit(known, precision, machine.devices())))
                .toList();
        if (json) {
            System.out.println(new ObjectMapper()
                    .writerWithDefaultPrettyPrinter()
                    .with(SerializationFeature.WRITE_ENUMS_USING_TO_STRING)
                    .writeValueAsString(new Report(checkpoints, machine, fits)));
            return 0;
        }
        checkpoints.forEach(ModelsCommand::print);
        print(machine);
        print(checkpoints, fits);
        System.out.printf(
                "%nNone was run with its published weights yet; small networks of these families agree with transformers.%n"
                        + "To get one: ./lychee pull NAME, then ./lychee up --checkpoint hf:NAME%n"
                        + "Other checkpoints of these families work too: %s%n",
                Families.ALL.stream().map(Family::modelType).collect(joining(", ")));
        return 0;
    }

    private static Machine machine() {
        List<Device> devices = new ArrayList<>();
        devices.add(new Device(
                TorchDevice.CPU.name(),
                Runtime.getRuntime().availableProcessors() + " cores",
                List.of(Precision.FLOAT32),
                MemoryCheck.available()));
        try {
            TorchDevice.all("auto").stream()
                    .filter(device -> !device.isCpu())
                    .map(ModelsCommand::gpu)
                    .forEach(devices::add);
            return new Machine(devices, devices.size() == 1 ? "none that PyTorch sees" : "" + (devices.size() - 1));
        } catch (ConfigException e) {
            return new Machine(devices, "unknown: " + e.getMessage());
        }
    }

    private static Device gpu(TorchDevice device) {
        long free = TorchDevice.freeMemory(device.name());
        boolean fp8 = device.hasE4m3();
        return new Device(
                device.name(),
                device.card(),
                fp8 ? List.of(Precision.BFLOAT16, Precision.FP8) : List.of(Precision.BFLOAT16),
                free == Long.MAX_VALUE ? null : free);
    }

    /** Judges as the start of a job does; float32 is for the CPU, the others for GPUs. */
    private static Fit fit(KnownCheckpoint known, Precision precision, List<Device> devices) {
        long needed = MemoryCheck.needed(known.bytes(), precision);
        Map<String, String> verdicts = new LinkedHashMap<>();
        devices.stream()
                .filter(device -> device.name().equals(TorchDevice.CPU.name()) == (precision == Precision.FLOAT32))
                .forEach(device -> verdicts.put(device.name(), device.verdict(precision, needed)));
        return new Fit(known.name(), precision, needed, verdicts);
    }

    private static void print(KnownCheckpoint known) {
        Help.TextTable table = Help.TextTable.forColumnWidths(Help.defaultColorScheme(Help.Ansi.OFF), LABEL, TEXT);
        table.addRowValues("  family", known.family());
        table.addRowValues(
                "  size",
                "%,d parameters, %s GB on disk".formatted(known.parameters(), MemoryCheck.gigabytes(known.bytes())));
        add(table, "  licence", known.licence());
        add(table, "  languages", known.languages());
        add(table, "  quality", known.quality());
        add(table, "  speed", known.speed());
        add(
                table,
                "  memory",
                PRECISIONS.stream()
                        .filter(precision -> known.memory().containsKey(precision.toString()))
                        .map(precision -> fact(precision, known.memory().get(precision.toString())))
                        .toList());
        System.out.println(known.name());
        System.out.println(table);
    }

    private static Fact fact(Precision precision, Measured measured) {
        String value = "%s: %s GB (%,d MiB) in use over %s";
        return new Fact(
                value.formatted(
                        precision, MemoryCheck.gigabytes(measured.bytes()), measured.mebibytes(), measured.load()),
                measured.source());
    }

    private static void add(Help.TextTable table, String label, List<Fact> facts) {
        String next = label;
        for (Fact fact : facts.isEmpty() ? List.of(new Fact(UNKNOWN, "")) : facts) {
            table.addRowValues(next, fact.value() + (fact.source().isEmpty() ? "" : " [" + fact.source() + "]"));
            next = "";
        }
    }

    private static void print(Machine machine) {
        System.out.println("This machine");
        for (Device device : machine.devices()) {
            Long free = device.freeBytes();
            System.out.println(TextTable.pad("  " + device.name(), LABEL) + device.description() + ", memory free: "
                    + (free == null ? "unknown" : MemoryCheck.gigabytes(free) + " GB"));
        }
        System.out.println(TextTable.pad("  GPUs", LABEL) + machine.gpus());
    }

    private static void print(List<KnownCheckpoint> checkpoints, List<Fit> fits) {
        List<String[]> rows = new ArrayList<>();
        rows.add(new String[] {"", "precision", "weights", "measured", "here"});
        for (KnownCheckpoint known : checkpoints) {
            for (Fit fit : fits.stream()
                    .filter(f -> f.checkpoint().equals(known.name()))
                    .toList()) {
                Measured measured = known.memory().get(fit.precision().toString());
                rows.add(new String[] {
                    known.name(),
                    fit.precision().toString(),
                    MemoryCheck.gigabytes(fit.weightBytes()) + " GB",
                    measured == null ? UNKNOWN : MemoryCheck.gigabytes(measured.bytes()) + " GB",
                    fit.devices().isEmpty() ? "no GPU" : verdicts(fit.devices())
                });
            }
        }
        TextTable.print(
                System.out,
                "Fits: weights alone (of fp8: about) need no more than the free memory, as a job checks at its start.\n"
                        + "Lists need more: measured is all memory in use while scoring, from above",
                rows);
    }

    /** Returns "cuda:0 cuda:1: fits; cuda:2: too large". */
    private static String verdicts(Map<String, String> devices) {
        Map<String, String> byVerdict = devices.entrySet().stream()
                .collect(groupingBy(
                        Map.Entry::getValue, LinkedHashMap::new, mapping(Map.Entry::getKey, joining(" "))));
        return byVerdict.entrySet().stream()
                .map(entry -> entry.getValue() + ": " + entry.getKey())
                .collect(joining("; "));
    }
}
