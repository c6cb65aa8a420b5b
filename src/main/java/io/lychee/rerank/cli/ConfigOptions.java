package io.lychee.rerank.cli;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions;
import io.lychee.rerank.config.RerankOptions.Placement;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of every command that needs a configuration: a file, and single keys on top of it. */
final class ConfigOptions {

    @Option(names = "--conf", paramLabel = "FILE", description = "Keys and values; conf/rerank.properties lists them.")
    private @Nullable Path file;

    @Option(names = "-D", paramLabel = "KEY=VALUE", description = "Sets one key, on top of --conf.")
    private Map<String, String> keys = new LinkedHashMap<>();

    @Option(names = "--checkpoint", paramLabel = "DIR", description = "Hugging Face checkpoint (model.checkpoint).")
    private @Nullable Path checkpoint;

    @Option(names = "--device", description = "cpu, cuda, cuda:N or auto (model.device).")
    private @Nullable String device;

    /**
     * Reads the configuration of a command that reranks in this process.
     *
     * @param defaults what holds where neither file nor option says otherwise
     * @param fixed what the command sets, on top of everything
     */
    RerankConfig load(Map<String, String> defaults, Map<String, String> fixed) {
        RerankConfig config = RerankConfig.of(values(defaults, fixed));
        if (config.placement() == Placement.GPU) {
            throw new ConfigException(RerankOptions.PLACEMENT.key() + " is gpu, which picks task managers of a cluster"
                    + " (flink run); this command runs Flink in one process and expects any: -D "
                    + RerankOptions.PLACEMENT.key() + "=any. Which GPUs it scores with is "
                    + RerankOptions.DEVICE.key() + "'s");
        }
        return config;
    }

    /** Keys and values, as {@link #load} takes them. */
    Map<String, String> values(Map<String, String> defaults, Map<String, String> fixed) {
        Map<String, String> overrides = new LinkedHashMap<>(keys);
        if (checkpoint != null) {
            overrides.put(RerankOptions.CHECKPOINT.key(), checkpoint.toString());
        }
        if (device != null) {
            overrides.put(RerankOptions.DEVICE.key(), device);
        }
        overrides.putAll(fixed);
        return RerankConfig.merge(file, defaults, overrides);
    }

    boolean hasFile() {
        return file != null;
    }

    /** For commands that only talk to the broker: they need no checkpoint. */
    RerankConfig loadClient() {
        return RerankConfig.of(values(Map.of(RerankOptions.CHECKPOINT.key(), "none"), Map.of()));
    }
}
