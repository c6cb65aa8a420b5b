package io.lychee.rerank.config;

import java.io.Serializable;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/** Declares the options of a SQL model: those here, and the keys of {@link RerankConfig} that scoring depends on. */
public record SqlConfig(
        @Key(name = "top-n", byDefault = "0", min = "0") @Doc("Candidates that become rows, best first; 0 keeps all.")
        int topN,

        @Key(name = "instruction", byDefault = "")
        @Doc("What to judge by. Empty takes `prompt.instruction`; models that differ only in this share a network.")
        String instruction,

        @Key(name = "lane", byDefault = "realtime")
        @Doc("realtime or backfill: the priority among all lists of the task manager, and whose timeout holds.")
        SqlLane lane,

        @Key(name = "rejected-rows", byDefault = "false")
        @Doc("Gives rejected candidates rows with null in `rank` and `score`; needs `reason` in OUTPUT.")
        boolean rejectedRows,

        @Key(name = SqlConfig.ENDPOINT, byDefault = "")
        @Doc("Address of a gateway, such as http://gateway:8080, whose job scores instead of this task manager.")
        String endpoint,

        RerankConfig rerank)
        implements Serializable {

    public static final String ENDPOINT = "endpoint";

    /** Keys of a job's sources, sinks and commands. */
    private static final Pattern OF_A_JOB =
            Pattern.compile("(kafka|job|metrics|files|gateway|flink)\\..*|(realtime|backfill)\\.capacity");

    /** Keys that a model with an endpoint has, which loads no network. */
    private static final List<String> OF_A_CLIENT = List.of(
            "top-n",
            "instruction",
            "rejected-rows",
            ENDPOINT,
            ConfigKeys.REALTIME_TIMEOUT,
            ConfigKeys.MAX_CANDIDATES,
            ConfigKeys.API_KEY);

    /** Priority of a model's lists; see the lanes of {@code domain}. */
    public enum SqlLane {
        REALTIME,
        BACKFILL
    }

    /**
     * Parses and checks the options of a model.
     *
     * @throws ConfigException when an option is unknown or has no effect, or a value is missing or refused
     */
    public static SqlConfig of(Map<String, String> options) {
        Map<String, String> values = new TreeMap<>(options);
        boolean client = !values.getOrDefault(ENDPOINT, "").isBlank();
        List<Option> known = ConfigBinder.options(SqlConfig.class);
        for (String key : options.keySet()) {
            boolean without =
                    client ? !OF_A_CLIENT.contains(key) : OF_A_JOB.matcher(key).matches();
            if (without && known.stream().anyMatch(option -> option.matches(key))) {
                throw new ConfigException("option " + key + " has no effect on a SQL model"
                        + (client ? " with " + ENDPOINT + "; the job behind the gateway has its own" : ""));
            }
        }
        if (client) {
            values.put(ConfigKeys.CHECKPOINT, "of the gateway");
        }
        // as for the job on a cluster: a process with a dead device would keep work from other task managers
        values.putIfAbsent(ConfigKeys.ON_DEATH, "exit");
        return ConfigBinder.bind(SqlConfig.class, values, Map.of());
    }

    public boolean isClient() {
        return !endpoint.isBlank();
    }

    /** Returns the time from a row to its answer; zero means none. */
    public Duration timeout() {
        return lane == SqlLane.REALTIME
                ? rerank.lanes().realtimeTimeout()
                : rerank.lanes().backfillTimeout();
    }

    /** Names the key of {@link #timeout()}. */
    public String timeoutKey() {
        return lane == SqlLane.REALTIME ? ConfigKeys.REALTIME_TIMEOUT : ConfigKeys.BACKFILL_TIMEOUT;
    }
}
