package io.lychee.rerank.config;

import java.util.Locale;

/** Names the keys that commands set and messages point to, and the values of keys with a choice. */
public final class RerankOptions {

    /** Prefix of the keys passed to the embedded Flink, without it. */
    public static final String FLINK_PREFIX = "flink.";

    public static final Option BOOTSTRAP_SERVERS = option("kafka.bootstrap-servers");
    public static final Option GROUP_ID = option("kafka.group-id");
    public static final Option REQUESTS_TOPIC = option("kafka.topic.requests");
    public static final Option RESULTS_TOPIC = option("kafka.topic.results");
    public static final Option BACKFILL_TOPIC = option("kafka.topic.backfill");
    public static final Option BACKFILL_RESULTS_TOPIC = option("kafka.topic.backfill-results");
    public static final Option DEAD_LETTERS_TOPIC = option("kafka.topic.dead-letters");
    public static final Option OUTPUT_FORMAT = option("kafka.output-format");
    public static final Option STARTING_OFFSETS = option("kafka.starting-offsets");
    public static final Option DELIVERY = option("kafka.delivery-guarantee");
    public static final Option EXACTLY_ONCE_FROM_OFFSETS = option("kafka.exactly-once-from-offsets");
    public static final Option CHECKPOINT = option("model.checkpoint");
    public static final Option DEVICE = option("model.device");
    public static final Option INSTRUCTION = option("prompt.instruction");
    public static final Option IMAGE_ROOTS = option("image.roots");
    public static final Option REALTIME_TIMEOUT = option("realtime.timeout");
    public static final Option CACHE_VISION = option("cache.vision.max-bytes");
    public static final Option CACHE_IMAGES = option("cache.images.max-bytes");
    public static final Option CACHE_SCORES = option("cache.scores.max-entries");
    public static final Option ON_DEATH = option("engine.on-death");
    public static final Option PLACEMENT = option("job.placement");
    public static final Option CHECKPOINT_DIR = option("job.checkpoint-dir");
    public static final Option DRAIN_TIMEOUT = option("job.drain-timeout");
    public static final Option METRICS_PORT = option("metrics.port");
    public static final Option METRICS_HOST = option("metrics.host");
    public static final Option MAX_FILES = option("files.max-count");
    public static final Option MAX_BLOCK_BYTES = option("files.max-block-bytes");
    public static final Option MAX_INFLATED_BYTES = option("files.max-inflated-bytes");
    public static final Option GATEWAY_TIMEOUT = option("gateway.timeout");

    private RerankOptions() {}

    private static Option option(String key) {
        return ConfigBinder.options(RerankConfig.class).stream()
                .filter(option -> option.key().equals(key))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no key " + key));
    }

    /** Encoding of answers and dead letters. */
    public enum OutputFormat {
        AVRO,
        JSON
    }

    /** Task managers that may run the operators. */
    public enum Placement {
        ANY,
        GPU
    }

    /** Fate of a process whose device has failed. */
    public enum OnDeath {
        FAIL,
        EXIT
    }

    /** Guarantee for answers after a failure. */
    public enum Delivery {
        AT_LEAST_ONCE,
        EXACTLY_ONCE;

        /** As in a configuration file. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }
    }

    /** First offsets of a job without a checkpoint. */
    public enum StartingOffsets {
        COMMITTED,
        EARLIEST,
        LATEST
    }
}
