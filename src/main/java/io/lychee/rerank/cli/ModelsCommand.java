package io.lychee.rerank.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.lychee.rerank.checkpoint.Families;
import io.lychee.rerank.checkpoint.Family;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.Precision;
import io.lychee.rerank.engine.MemoryCheck;
import io.lychee.rerank.torch.TorchDevice;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
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

    /** @param devices a verdict each, by name */
    record Fit(String checkpoint, Precision precision, long weightBytes, Map<String, String> devices) {}

    @Override
    public Integer call() throws Exception {
        List<KnownCheckpoint> all = KnownCheckpoint.all();
        List<Device> devices = new ArrayList<>();
        String gpus = find(devices);
        List<Fit> fits = all.stream()
                .flatMap(known -> PRECISIONS.stream().map(precision -> fit(known, precision, devices)))
                .toList();
        if (json) {
            ObjectMapper mapper = new ObjectMapper().enable(SerializationFeature.WRITE_ENUMS_USING_TO_STRING);
            System.out.println(mapper.writerWithDefaultPrettyPrinter()
                    .writeValueAsString(mapper.createObjectNode()
                            .putPOJO("checkpoints", all)
                            .putPOJO("devices", devices)
                            .put("gpus", gpus)
                            .putPOJO("fits", fits)));
            return 0;
        }
        all.forEach(ModelsCommand::print);
        System.out.println("This machine");
        for (Device device : devices) {
            String free = device.freeBytes() == null ? "unknown" : MemoryCheck.gigabytes(device.freeBytes()) + " GB";
            System.out.printf("  %s, %s, free memory %s%n", device.name(), device.description(), free);
        }
        System.out.println("  GPUs: " + gpus);
        print(all, fits);
        System.out.printf(
                "%nNone was run with its published weights yet; small networks of the families match transformers.%n"
                        + "To get one: ./lychee pull NAME, then ./lychee up --checkpoint hf:NAME%n"
                        + "Other checkpoints of these families work too: %s%n",
                Families.ALL.stream().map(Family::modelType).collect(Collectors.joining(", ")));
        return 0;
    }

    /** Adds the devices. @return the number of GPUs, or why it is unknown */
    private static String find(List<Device> devices) {
        String cores = Runtime.getRuntime().availableProcessors() + " cores";
        devices.add(new Device("cpu", cores, List.of(Precision.FLOAT32), MemoryCheck.available()));
        try {
            for (TorchDevice gpu : TorchDevice.all("auto")) {
                if (!gpu.isCpu()) {
                    long free = TorchDevice.freeMemory(gpu.name());
                    List<Precision> precisions = PRECISIONS.subList(1, gpu.hasE4m3() ? 3 : 2);
                    devices.add(new Device(gpu.name(), gpu.card(), precisions, free == Long.MAX_VALUE ? null : free));
                }
            }
            return devices.size() == 1 ? "none that PyTorch sees" : String.valueOf(devices.size() - 1);
        } catch (ConfigException e) {
            return "unknown: " + e.getMessage();
        }
    }

    /** Judges as the start of a job does; float32 is for the CPU, the others for GPUs. */
    static Fit fit(KnownCheckpoint known, Precision precision, List<Device> devices) {
        long needed = MemoryCheck.needed(known.bytes(), precision);
        Map<String, String> verdicts = new LinkedHashMap<>();
        devices.stream()
                .filter(device -> device.name().equals("cpu") == (precision == Precision.FLOAT32))
                .forEach(device -> verdicts.put(device.name(), device.verdict(precision, needed)));
        return new Fit(known.name(), precision, needed, verdicts);
    }

    private static void print(KnownCheckpoint known) {
        Help.TextTable table = Help.TextTable.forColumnWidths(Help.defaultColorScheme(Help.Ansi.OFF), LABEL, TEXT);
        table.addRowValues("  family", known.family());
        String gigabytes = MemoryCheck.gigabytes(known.bytes());
        table.addRowValues("  size", "%,d parameters, %s GB on disk".formatted(known.parameters(), gigabytes));
        known.facts().forEach((about, facts) -> {
            String text = facts.stream()
                    .map(fact -> fact.value() + " [" + fact.source() + "]")
                    .collect(Collectors.joining("; "));
            table.addRowValues("  " + about, text.isEmpty() ? "-" : text);
        });
        System.out.printf("%s%n%s%n", known.name(), table);
    }

    private static void print(List<KnownCheckpoint> all, List<Fit> fits) {
        List<String[]> rows = new ArrayList<>();
        rows.add(new String[] {"", "precision", "weights", "measured", "here"});
        for (Fit fit : fits) {
            String precision = fit.precision().toString();
            String measured = all.stream()
                    .filter(known -> known.name().equals(fit.checkpoint())
                            && known.mebibytes().containsKey(precision))
                    .map(known -> MemoryCheck.gigabytes(known.mebibytes().get(precision) << 20) + " GB")
                    .collect(Collectors.joining());
            String weights = MemoryCheck.gigabytes(fit.weightBytes()) + " GB";
            String here = fit.devices().entrySet().stream()
                    .map(device -> device.getKey() + " " + device.getValue())
                    .collect(Collectors.joining(", "));
            rows.add(new String[] {
                fit.checkpoint(),
                precision,
                weights,
                measured.isEmpty() ? "-" : measured,
                here.isEmpty() ? "no GPU seen" : here
            });
        }
        TextTable.print(
                System.out,
                "Fits: weights alone (of fp8: about) need no more than the free memory, as a job checks at its start.\n"
                        + "Lists need more: measured is all memory in use while scoring, from above",
                rows);
    }
}
