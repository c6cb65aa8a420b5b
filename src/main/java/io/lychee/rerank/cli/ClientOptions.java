package io.lychee.rerank.cli;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of every command that needs a configuration: a file, and single keys on top of it. */
class ClientOptions {

    @Option(names = "--conf", paramLabel = "FILE", description = "Keys and values; conf/rerank.properties lists them.")
    private @Nullable Path file;

    @Option(names = "-D", paramLabel = "KEY=VALUE", description = "Sets one key, on top of --conf.")
    private Map<String, String> keys = new LinkedHashMap<>();

    /**
     * Keys and values.
     *
     * @param defaults what holds where neither file nor option says otherwise
     * @param fixed what the command sets, on top of everything
     */
    Map<String, String> values(Map<String, String> defaults, Map<String, String> fixed) {
        Map<String, String> overrides = new LinkedHashMap<>(keys);
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
