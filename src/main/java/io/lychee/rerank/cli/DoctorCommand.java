package io.lychee.rerank.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.Families;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.Placement;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.engine.MachineCheck;
import io.lychee.rerank.engine.MemoryCheck;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.image.JpegProbe;
import io.lychee.rerank.job.RerankJob;
import io.lychee.rerank.kafka.TopicCheck;
import io.lychee.rerank.qwen.KernelChoice;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.torch.TorchDevice;
import io.lychee.rerank.torch.TorchRuntime;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.apache.flink.runtime.util.EnvironmentInformation;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code ./lychee doctor}: checks the steps of a job's start, and judges whether the job would start. */
@Command(
        name = "doctor",
        description = {
            "Checks this machine and whether the job would start: then the exit code is 0.",
            "Without --conf with the bundled checkpoint; with it also broker, topics and permissions. Loads the"
                    + " checkpoint."
        })
final class DoctorCommand implements Callable<Integer> {

    @Mixin
    private final ConfigOptions options = new ConfigOptions();

    @Option(names = "--json", description = "Prints the findings as JSON.")
    private boolean json;

    private final List<Finding> findings = new ArrayList<>();

    /** @param found one sentence; of a failed step also what was expected and which key changes it */
    private record Finding(String what, boolean ok, String found) {}

    @Override
    public Integer call() throws Exception {
        look(
                "Java",
                () -> System.getProperty("java.version") + ", " + System.getProperty("java.vendor") + ", "
                        + System.getProperty("java.home"));
        look("system", DoctorCommand::system);
        look("JPEG decoder", JpegProbe::describe);
        look("Flink", EnvironmentInformation::getVersion);
        boolean torch = look("machine", MachineCheck::require);
        for (Map.Entry<String, Callable<String>> fact : TorchRuntime.libraries().entrySet()) {
            torch = torch && look(fact.getKey(), fact.getValue());
        }
        List<RerankConfig> config = new ArrayList<>();
        look("configuration", () -> {
            String bundled = Main.home().resolve("demo/checkpoint").toString();
            config.add(RerankConfig.of(PullCommand.resolveCached(
                    options.values(options.hasFile() ? Map.of() : Map.of(ConfigKeys.CHECKPOINT, bundled), Map.of()))));
            return options.hasFile() ? "--conf can be read" : "none given; the bundled checkpoint and defaults";
        });
        if (!config.isEmpty()) {
            look(config.get(0), torch);
        }
        boolean ok = findings.stream().allMatch(Finding::ok);
        if (json) {
            ObjectMapper mapper = new ObjectMapper();
            ObjectNode report = mapper.createObjectNode().put("ok", ok).putPOJO("findings", findings);
            System.out.println(mapper.writerWithDefaultPrettyPrinter().writeValueAsString(report));
        } else {
            System.out.println(ok ? "The job would start." : "The job would not start.");
        }
        return ok ? 0 : 1;
    }

    private void look(RerankConfig config, boolean torch) {
        if (torch && look("memory", () -> memory(config)) && look("device", () -> devices(config))) {
            look("checkpoint", () -> checkpoint(config));
        }
        look("job", () -> {
            StreamExecutionEnvironment env = RerankJob.environment(config);
            RerankJob.build(env, config, new QwenEngineFactory(config));
            return "parallelism " + env.getParallelism() + ", checkpoints every " + config.checkpointInterval()
                    + (config.metricsPort() > 0 ? ", metrics at port " + config.metricsPort() : "")
                    + (config.placement() == Placement.GPU
                            ? ", only on task managers of a cluster that declare GPUs (job.placement)"
                            : "");
        });
        if (options.hasFile()) {
            look("broker", () -> {
                List<String> warnings = new TopicCheck(config.kafka()).checkJob();
                return "all topics and permissions at " + config.kafka().bootstrapServers()
                        + String.join("", warnings.stream().map(w -> "; " + w).toList());
            });
        }
    }

    /** Says where nothing was tested: natives are on Maven Central for more systems than were at hand. */
    private static String system() {
        String system = System.getProperty("os.name") + " " + System.getProperty("os.arch");
        int java = Runtime.version().feature();
        return system + ", Java " + java
                + (system.equals("Linux amd64") ? "" : "; never tested: this system, only Linux amd64 was")
                + (java == 17 || java == 25 ? "" : "; never tested: this Java, only 17 and, by the demo, 25 were");
    }

    private static String memory(RerankConfig config) {
        CheckpointFiles files = CheckpointFiles.of(config.model().checkpoint());
        MemoryCheck.require(files, config.model().device(), config.model().precision());
        return "%s GB of weights (model.checkpoint), Java heap up to %s GB"
                .formatted(
                        MemoryCheck.gigabytes(MemoryCheck.weights(files)),
                        MemoryCheck.gigabytes(Runtime.getRuntime().maxMemory()));
    }

    private static String devices(RerankConfig config) {
        return TorchDevice.all(config.model().device()).stream()
                .map(device -> TorchDevice.of(device.name(), config.model().precision()))
                .map(KernelChoice::describe)
                .collect(Collectors.joining(", "));
    }

    /** Loads it as the job would, which scores a test pass too. */
    private static String checkpoint(RerankConfig config) {
        long start = System.nanoTime();
        try (Engine engine = new QwenEngineFactory(config).open()) {
            return String.format(
                    Locale.ROOT,
                    "%s (%s) scores on %s%s; loaded in %.1f s; system \"%s\", default instruction \"%s\"",
                    engine.model().name(),
                    engine.model().fingerprint(),
                    engine.device(),
                    engine.fallbacks().isEmpty() ? "" : ", slower than it could: fell back for " + engine.fallbacks(),
                    (System.nanoTime() - start) / 1e9,
                    config.prompt().system(),
                    Families.of(CheckpointFiles.of(config.model().checkpoint())).instruction(config.prompt()));
        }
    }

    /** Runs one step and prints its finding. */
    private boolean look(String what, Callable<String> step) {
        Finding finding;
        try {
            finding = new Finding(what, true, step.call());
        } catch (ConfigException e) {
            finding = new Finding(what, false, String.valueOf(e.getMessage()));
        } catch (Exception | LinkageError e) {
            finding = new Finding(what, false, e.toString());
        }
        findings.add(finding);
        if (!json) {
            System.out.printf("%-4s %-14s %s%n", finding.ok() ? "ok" : "NO", what, finding.found());
        }
        return finding.ok();
    }
}
