package io.lychee.rerank.config;

/** Names the keys that commands set and messages point to. */
public final class ConfigKeys {

    /** Prefix of the keys passed to the embedded Flink, without it. */
    public static final String FLINK_PREFIX = "flink.";

    public static final String BOOTSTRAP_SERVERS = "kafka.bootstrap-servers";
    public static final String GROUP_ID = "kafka.group-id";
    public static final String OUTPUT_FORMAT = "kafka.output-format";
    public static final String STARTING_OFFSETS = "kafka.starting-offsets";
    public static final String DELIVERY = "kafka.delivery-guarantee";
    public static final String EXACTLY_ONCE_FROM_OFFSETS = "kafka.exactly-once-from-offsets";
    public static final String CHECKPOINT = "model.checkpoint";
    public static final String DEVICE = "model.device";
    public static final String INSTRUCTION = "prompt.instruction";
    public static final String IMAGE_ROOTS = "image.roots";
    public static final String REALTIME_TIMEOUT = "realtime.timeout";
    public static final String BACKFILL_TIMEOUT = "backfill.timeout";
    public static final String MAX_CANDIDATES = "list.max-candidates";
    public static final String CACHE_VISION = "cache.vision.max-bytes";
    public static final String CACHE_IMAGES = "cache.images.max-bytes";
    public static final String CACHE_SCORES = "cache.scores.max-entries";
    public static final String ON_DEATH = "engine.on-death";
    public static final String PLACEMENT = "job.placement";
    public static final String CHECKPOINT_DIR = "job.checkpoint-dir";
    public static final String DRAIN_TIMEOUT = "job.drain-timeout";
    public static final String METRICS_PORT = "metrics.port";
    public static final String METRICS_HOST = "metrics.host";
    public static final String MAX_FILES = "files.max-count";
    public static final String API_KEY = "gateway.api-key";
    public static final String GATEWAY_TIMEOUT = "gateway.timeout";

    private ConfigKeys() {}
}
