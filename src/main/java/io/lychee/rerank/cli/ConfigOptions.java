package io.lychee.rerank.cli;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions;
import io.lychee.rerank.config.RerankOptions.Placement;
import io.lychee.rerank.ranking.Rules;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of commands that rerank in this process. */
public final class ConfigOptions extends ClientOptions {

    @Option(names = "--checkpoint", paramLabel = "DIR", description = "Hugging Face checkpoint (model.checkpoint).")
    private @Nullable Path checkpoint;

    @Option(names = "--device", description = "cpu, cuda, cuda:N or auto (model.device).")
    private @Nullable String device;

    /** The configuration of {@link #values}. */
    public RerankConfig load(Map<String, String> defaults, Map<String, String> fixed) {
        RerankConfig config = RerankConfig.of(values(defaults, fixed));
        if (config.placement() == Placement.GPU) {
            throw new ConfigException(RerankOptions.PLACEMENT.key() + " is gpu, which picks task managers of a cluster"
                    + " (flink run); this command runs Flink in one process and expects any: -D "
                    + RerankOptions.PLACEMENT.key() + "=any. Which GPUs it scores with is "
                    + RerankOptions.DEVICE.key() + "'s");
        }
        Rules.parse(config.rules()); // before the network is loaded
        return config;
    }

    @Override
    Map<String, String> values(Map<String, String> defaults, Map<String, String> fixed) {
        Map<String, String> options = new LinkedHashMap<>();
        if (checkpoint != null) {
            options.put(RerankOptions.CHECKPOINT.key(), checkpoint.toString());
        }
        if (device != null) {
            options.put(RerankOptions.DEVICE.key(), device);
        }
        options.putAll(fixed);
        return super.values(defaults, options);
    }
}
