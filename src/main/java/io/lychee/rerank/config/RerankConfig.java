package io.lychee.rerank.config;

import io.lychee.rerank.config.RerankOptions.Delivery;
import io.lychee.rerank.config.RerankOptions.OnDeath;
import io.lychee.rerank.config.RerankOptions.OutputFormat;
import io.lychee.rerank.config.RerankOptions.Placement;
import io.lychee.rerank.config.RerankOptions.StartingOffsets;
import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.GlobalConfiguration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.ReadableConfig;
import org.jspecify.annotations.Nullable;

/**
 * The whole configuration, read and checked once; travels to the task managers. Each part belongs to one stage of the
 * job. Sizes are bytes.
 *
 * @param rules as they are written; see the key
 * @param flink settings for the embedded Flink, prefix removed
 */
public record RerankConfig(
        Kafka kafka,
        Model model,
        Caches caches,
        Prompt prompt,
        Preparation preparation,
        Limits limits,
        Fetch fetch,
        Lanes lanes,
        Engine engine,
        Inputs inputs,
        Gateway gateway,
        List<String> rules,
        int parallelism,
        Placement placement,
        Duration checkpointInterval,
        String checkpointDir,
        long maxInFlightBytes,
        Duration drainTimeout,
        int metricsPort,
        String metricsHost,
        Map<String, String> flink)
        implements Serializable {

    /** @param properties handed to the Kafka clients as they are */
    public record Kafka(
            String bootstrapServers,
            String groupId,
            String requestsTopic,
            String resultsTopic,
            String backfillTopic,
            String backfillResultsTopic,
            String deadLettersTopic,
            OutputFormat outputFormat,
            StartingOffsets startingOffsets,
            int maxRecordBytes,
            Delivery delivery,
            boolean exactlyOnceFromOffsets,
            Duration transactionTimeout,
            Map<String, String> properties)
            implements Serializable {}

    /** @param device cpu, cuda, cuda:N or auto */
    public record Model(String checkpoint, String device) implements Serializable {

        public Model onto(String one) {
            return new Model(checkpoint, one);
        }
    }

    /** @param visionBytes on the device */
    public record Caches(long visionBytes, int imageBytes, int scores, Duration scoresExpire) implements Serializable {}

    public record Prompt(String instruction, String system, String template) implements Serializable {}

    /**
     * What is done to texts before they are encoded.
     *
     * @param spellings a file; empty for none
     * @param template of a candidate's text; empty for none
     */
    public record Preparation(boolean normalize, String spellings, String template) implements Serializable {}

    public record Limits(
            int maxCandidates,
            int maxQueryTokens,
            int maxCandidateTokens,
            int maxPairTokens,
            int trainedPairTokens,
            int minPixels,
            int maxPixels,
            int maxDecodedPixels,
            int maxImageBytes,
            int maxImages,
            Duration decodeTimeout,
            List<String> imageRoots)
            implements Serializable {}

    public record Fetch(
            Duration connectTimeout,
            Duration timeout,
            int tries,
            int maxRedirects,
            int maxConnections,
            boolean allowPrivateAddresses)
            implements Serializable {}

    /** Timeouts of zero mean none. */
    public record Lanes(
            Duration realtimeTimeout,
            Duration backfillTimeout,
            double backfillMinShare,
            int realtimeCapacity,
            int backfillCapacity)
            implements Serializable {}

    public record Engine(int passTokens, Duration passTimeout, OnDeath onDeath, int encodeThreads, long encodeBytes)
            implements Serializable {}

    /** Of a backfill from files. */
    public record Inputs(int maxFiles, int maxBlockBytes, long maxInflatedBytes) implements Serializable {}

    /** @param maxMemory 0 for a quarter of the heap */
    public record Gateway(
            Duration timeout,
            int maxRequests,
            int maxBodyBytes,
            long maxMemory,
            int maxBodyTokens,
            List<String> allowedHosts,
            Duration heartbeatInterval,
            int maxConnections,
            Duration readTimeout)
            implements Serializable {}

    /**
     * Keys and values for {@link #of}: defaults, the {@code key=value} lines of a file, and overrides; later ones win.
     *
     * @throws ConfigException when the file can't be read
     */
    public static Map<String, String> merge(
            @Nullable Path file, Map<String, String> defaults, Map<String, String> overrides) {
        Map<String, String> values = new TreeMap<>(defaults);
        if (file != null) {
            Properties properties = new Properties();
            try (var reader = Files.newBufferedReader(file)) {
                properties.load(reader);
            } catch (NoSuchFileException e) {
                throw new ConfigException("no configuration file " + file.toAbsolutePath() + " (--conf)", e);
            } catch (IOException | IllegalArgumentException e) {
                throw new ConfigException("configuration file " + file + " can't be read: " + e, e);
            }
            properties.stringPropertyNames().forEach(name -> values.put(name, properties.getProperty(name)));
        }
        values.putAll(overrides);
        return values;
    }

    /** The effective configuration, for a log: what was set, a line each, without secrets; the rest is default. */
    public static String describe(Map<String, String> values) {
        StringBuilder lines = new StringBuilder("configuration, all other keys as in conf/rerank.properties:");
        new TreeMap<>(values)
                .forEach((key, value) -> lines.append("\n  ")
                        .append(key)
                        .append('=')
                        .append(isSecret(key) ? "******" : value.replace("\n", "\\n")));
        return lines.toString();
    }

    /** Flink takes pass.max-tokens for a secret, and not the private key that Kafka's clients may be given as text. */
    private static boolean isSecret(String key) {
        boolean own =
                RerankOptions.all().stream().anyMatch(option -> option.key().equals(key));
        return !own && (GlobalConfiguration.isSensitive(key) || key.endsWith("ssl.keystore.key"));
    }

    /** @throws ConfigException when a key is unknown or a value out of range */
    public static RerankConfig of(Map<String, String> values) {
        Map<String, String> kafka = new TreeMap<>();
        Map<String, String> flink = new TreeMap<>();
        Configuration own = new Configuration();
        List<String> known = RerankOptions.all().stream().map(ConfigOption::key).toList();
        values.forEach((key, value) -> {
            if (key.startsWith(RerankOptions.KAFKA_PREFIX)) {
                kafka.put(key.substring(RerankOptions.KAFKA_PREFIX.length()), value);
            } else if (key.startsWith(RerankOptions.FLINK_PREFIX)) {
                flink.put(key.substring(RerankOptions.FLINK_PREFIX.length()), value);
            } else if (known.contains(key)) {
                own.setString(key, value);
            } else {
                throw new ConfigException("unknown key " + key + nearest(key, known));
            }
        });
        return from(own, kafka, flink);
    }

    private static RerankConfig from(ReadableConfig c, Map<String, String> kafka, Map<String, String> flink) {
        return new RerankConfig(
                new Kafka(
                        text(c, RerankOptions.BOOTSTRAP_SERVERS),
                        text(c, RerankOptions.GROUP_ID),
                        text(c, RerankOptions.REQUESTS_TOPIC),
                        text(c, RerankOptions.RESULTS_TOPIC),
                        text(c, RerankOptions.BACKFILL_TOPIC),
                        text(c, RerankOptions.BACKFILL_RESULTS_TOPIC),
                        text(c, RerankOptions.DEAD_LETTERS_TOPIC),
                        get(c, RerankOptions.OUTPUT_FORMAT),
                        get(c, RerankOptions.STARTING_OFFSETS),
                        bytes(c, RerankOptions.MAX_RECORD_BYTES, 4096),
                        delivery(c),
                        get(c, RerankOptions.EXACTLY_ONCE_FROM_OFFSETS),
                        positive(c, RerankOptions.TRANSACTION_TIMEOUT),
                        kafka),
                new Model(text(c, RerankOptions.CHECKPOINT), text(c, RerankOptions.DEVICE)),
                new Caches(
                        get(c, RerankOptions.CACHE_VISION).getBytes(),
                        bytes(c, RerankOptions.CACHE_IMAGES, 0),
                        atLeast(c, RerankOptions.CACHE_SCORES, 0),
                        positive(c, RerankOptions.CACHE_SCORES_EXPIRE)),
                new Prompt(
                        text(c, RerankOptions.INSTRUCTION),
                        text(c, RerankOptions.SYSTEM),
                        text(c, RerankOptions.TEMPLATE)),
                new Preparation(
                        get(c, RerankOptions.NORMALIZE),
                        get(c, RerankOptions.SPELLINGS),
                        get(c, RerankOptions.CANDIDATE_TEMPLATE)),
                new Limits(
                        atLeast(c, RerankOptions.MAX_CANDIDATES, 1),
                        atLeast(c, RerankOptions.MAX_QUERY_TOKENS, 1),
                        atLeast(c, RerankOptions.MAX_CANDIDATE_TOKENS, 1),
                        atLeast(c, RerankOptions.MAX_PAIR_TOKENS, 64),
                        atLeast(c, RerankOptions.TRAINED_PAIR_TOKENS, 1),
                        atLeast(c, RerankOptions.MIN_PIXELS, 784),
                        atLeast(c, RerankOptions.MAX_PIXELS, get(c, RerankOptions.MIN_PIXELS)),
                        atLeast(c, RerankOptions.MAX_DECODED_PIXELS, 784),
                        bytes(c, RerankOptions.MAX_IMAGE_BYTES, 1024),
                        atLeast(c, RerankOptions.MAX_IMAGES, 1),
                        positive(c, RerankOptions.DECODE_TIMEOUT),
                        get(c, RerankOptions.IMAGE_ROOTS)),
                new Fetch(
                        positive(c, RerankOptions.FETCH_CONNECT_TIMEOUT),
                        positive(c, RerankOptions.FETCH_TIMEOUT),
                        atLeast(c, RerankOptions.FETCH_TRIES, 1),
                        atLeast(c, RerankOptions.FETCH_REDIRECTS, 0),
                        atLeast(c, RerankOptions.FETCH_CONNECTIONS, 2),
                        get(c, RerankOptions.FETCH_PRIVATE)),
                new Lanes(
                        get(c, RerankOptions.REALTIME_TIMEOUT),
                        get(c, RerankOptions.BACKFILL_TIMEOUT),
                        share(c, RerankOptions.BACKFILL_MIN_SHARE, 0.5),
                        atLeast(c, RerankOptions.REALTIME_CAPACITY, 1),
                        atLeast(c, RerankOptions.BACKFILL_CAPACITY, 1)),
                new Engine(
                        atLeast(c, RerankOptions.PASS_TOKENS, 64),
                        positive(c, RerankOptions.PASS_TIMEOUT),
                        get(c, RerankOptions.ON_DEATH),
                        atLeast(c, RerankOptions.ENCODE_THREADS, 0),
                        bytesAtLeast(c, RerankOptions.ENCODE_BYTES, 1 << 20)),
                new Inputs(
                        atLeast(c, RerankOptions.MAX_FILES, 1),
                        bytes(c, RerankOptions.MAX_BLOCK_BYTES, 1024),
                        get(c, RerankOptions.MAX_INFLATED_BYTES).getBytes()),
                new Gateway(
                        positive(c, RerankOptions.GATEWAY_TIMEOUT),
                        atLeast(c, RerankOptions.GATEWAY_REQUESTS, 1),
                        bytes(c, RerankOptions.GATEWAY_BODY_BYTES, 1024),
                        get(c, RerankOptions.GATEWAY_MEMORY).getBytes(),
                        atLeast(c, RerankOptions.GATEWAY_BODY_TOKENS, 10),
                        get(c, RerankOptions.GATEWAY_HOSTS),
                        positive(c, RerankOptions.GATEWAY_HEARTBEAT),
                        atLeast(c, RerankOptions.GATEWAY_CONNECTIONS, 1),
                        positive(c, RerankOptions.GATEWAY_READ_TIMEOUT)),
                get(c, RerankOptions.RULES),
                atLeast(c, RerankOptions.PARALLELISM, 1),
                get(c, RerankOptions.PLACEMENT),
                positive(c, RerankOptions.CHECKPOINT_INTERVAL),
                get(c, RerankOptions.CHECKPOINT_DIR),
                bytesAtLeast(c, RerankOptions.MAX_IN_FLIGHT_BYTES, 1 << 20),
                positive(c, RerankOptions.DRAIN_TIMEOUT),
                port(c, RerankOptions.METRICS_PORT),
                text(c, RerankOptions.METRICS_HOST),
                flink);
    }

    private static Delivery delivery(ReadableConfig c) {
        Delivery delivery = get(c, RerankOptions.DELIVERY);
        // a transaction is open from one checkpoint until the next is complete
        Duration least = get(c, RerankOptions.CHECKPOINT_INTERVAL).multipliedBy(2);
        Duration timeout = get(c, RerankOptions.TRANSACTION_TIMEOUT);
        if (delivery == Delivery.EXACTLY_ONCE && timeout.compareTo(least) < 0) {
            throw new ConfigException(RerankOptions.TRANSACTION_TIMEOUT.key() + " is " + timeout
                    + "; expected at least twice job.checkpoint-interval, " + least);
        }
        return delivery;
    }

    private static <T> T get(ReadableConfig config, ConfigOption<T> option) {
        T value;
        try {
            value = config.get(option);
        } catch (RuntimeException e) {
            throw new ConfigException(option.key() + ": " + innermost(e).getMessage(), e);
        }
        if (value == null) {
            throw new ConfigException(option.key() + " is not set; it has no default");
        }
        return value;
    }

    private static String text(ReadableConfig config, ConfigOption<String> option) {
        String value = get(config, option);
        if (value.isBlank()) {
            throw new ConfigException(option.key() + " is empty");
        }
        return value;
    }

    private static int atLeast(ReadableConfig config, ConfigOption<Integer> option, int least) {
        int value = get(config, option);
        if (value < least) {
            throw new ConfigException(option.key() + " is " + value + "; expected at least " + least);
        }
        return value;
    }

    private static int port(ReadableConfig config, ConfigOption<Integer> option) {
        int value = atLeast(config, option, 0);
        if (value > 65_535) {
            throw new ConfigException(option.key() + " is " + value + "; expected at most 65535");
        }
        return value;
    }

    private static double share(ReadableConfig config, ConfigOption<Double> option, double most) {
        double value = get(config, option);
        if (!(value >= 0 && value <= most)) {
            throw new ConfigException(option.key() + " is " + value + "; expected 0 to " + most);
        }
        return value;
    }

    private static Duration positive(ReadableConfig config, ConfigOption<Duration> option) {
        Duration value = get(config, option);
        if (value.isNegative() || value.isZero()) {
            throw new ConfigException(option.key() + " is " + value + "; expected more than 0");
        }
        return value;
    }

    private static int bytes(ReadableConfig config, ConfigOption<MemorySize> option, int least) {
        long value = get(config, option).getBytes();
        if (value < least || value > 1 << 30) {
            throw new ConfigException(option.key() + " is " + value + " bytes; expected " + least + " bytes to 1 gb");
        }
        return (int) value;
    }

    private static long bytesAtLeast(ReadableConfig config, ConfigOption<MemorySize> option, long least) {
        long value = get(config, option).getBytes();
        if (value < least) {
            throw new ConfigException(option.key() + " is " + value + " bytes; expected at least " + least + " bytes");
        }
        return value;
    }

    private static Throwable innermost(Throwable e) {
        return e.getCause() == null ? e : innermost(e.getCause());
    }

    private static String nearest(String key, Collection<String> known) {
        return known.stream()
                .filter(k -> distance(k, key) <= 3 || k.endsWith("." + key))
                .min(Comparator.comparingInt(k -> distance(k, key)))
                .map(k -> "; did you mean " + k + "?")
                .orElse("; conf/rerank.properties lists all keys");
    }

    private static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j < row.length; j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j < row.length; j++) {
                int substituted = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(substituted, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
