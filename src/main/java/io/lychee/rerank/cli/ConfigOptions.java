package io.lychee.rerank.cli;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.Placement;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.ranking.Rules;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Reads the configuration of a command that reranks in this process. */
public final class ConfigOptions {

    @Mixin
    private final Keys keys = new Keys();

    @Option(
            names = "--checkpoint",
            paramLabel = "DIR",
            description = "Hugging Face checkpoint, or hf:ORG/NAME or modelscope:ORG/NAME (model.checkpoint).")
    private @Nullable String checkpoint;

    @Option(names = "--device", description = "cpu, cuda, cuda:N or auto (model.device).")
    private @Nullable String device;

    /** Reads a configuration file, and single keys on top of it. */
    static final class Keys {

        @Option(
                names = "--conf",
                paramLabel = "FILE",
                description = "Keys and values; conf/rerank.properties lists them.")
        private @Nullable Path file;

        @Option(names = "-D", paramLabel = "KEY=VALUE", description = "Sets one key, on top of --conf.")
        private Map<String, String> keys = new LinkedHashMap<>();

        /** Loads the configuration of a client of the broker, which needs no checkpoint. */
        RerankConfig loadClient() {
            return RerankConfig.of(RerankConfig.merge(file, Map.of(ConfigKeys.CHECKPOINT, "none"), keys));
        }
    }

    boolean hasFile() {
        return keys.file != null;
    }

    /**
     * Loads the configuration; a model of a hub becomes its directory, downloaded where it is missing.
     *
     * @throws ConfigException also when the configuration needs a cluster
     */
    public RerankConfig load(Map<String, String> defaults, Map<String, String> fixed) {
        Map<String, String> values = values(defaults, fixed);
        RerankConfig.of(values); // a wrong key is an error before a download
        RerankConfig config = RerankConfig.of(PullCommand.resolve(values));
        if (config.placement() == Placement.GPU) {
            throw new ConfigException(ConfigKeys.PLACEMENT + " is gpu, which picks task managers of a cluster"
                    + " (flink run); this command runs Flink in one process and expects any: -D "
                    + ConfigKeys.PLACEMENT + "=any. " + ConfigKeys.DEVICE
                    + " picks the GPUs it scores with");
        }
        Rules.parse(config.rules()); // before the network is loaded
        return config;
    }

    /**
     * Merges keys and values; later ones win: defaults, the file, single keys, options, {@code fixed}.
     *
     * @param fixed values that the command needs
     */
    Map<String, String> values(Map<String, String> defaults, Map<String, String> fixed) {
        Map<String, String> overrides = new LinkedHashMap<>(keys.keys);
        if (checkpoint != null) {
            overrides.put(ConfigKeys.CHECKPOINT, checkpoint);
        }
        if (device != null) {
            overrides.put(ConfigKeys.DEVICE, device);
        }
        overrides.putAll(fixed);
        return RerankConfig.merge(keys.file, defaults, overrides);
    }
}
