package io.lychee.rerank.config;

import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.flink.configuration.GlobalConfiguration;
import org.jspecify.annotations.Nullable;

/**
 * Declares every key, each as a record component; {@code conf/rerank.properties} describes them, with their units and
 * bounds. The task managers get a copy.
 *
 * <p>Keys are public API: a renamed one keeps its former name, a retired one its successor. Sizes are bytes.
 */
public record RerankConfig(
        Kafka kafka,
        Model model,
        Prompt prompt,
        Preparation preparation,
        Limits limits,

        @Key(name = "rules", byDefault = "") List<String> rules,

        Fetch fetch,
        EngineConfig.Lanes lanes,
        EngineConfig.Caches caches,
        EngineConfig engine,

        @Key(name = "job.parallelism", byDefault = "1", min = "1")
        int parallelism,

        @Key(name = ConfigKeys.PLACEMENT, byDefault = "any") Placement placement,

        @Key(name = "job.checkpoint-interval", byDefault = "10 s")
        Duration checkpointInterval,

        @Key(name = ConfigKeys.CHECKPOINT_DIR, byDefault = "")
        String checkpointDir,

        @Key(name = "job.max-in-flight-bytes", byDefault = "64 mb", min = "1 mb", bytes = true)
        long maxInFlightBytes,

        @Key(name = ConfigKeys.DRAIN_TIMEOUT, byDefault = "30 s")
        Duration drainTimeout,

        @Key(name = ConfigKeys.METRICS_PORT, byDefault = "0", min = "0", max = "65535")
        int metricsPort,

        @Key(name = ConfigKeys.METRICS_HOST, byDefault = "127.0.0.1")
        String metricsHost,

        FilesConfig inputs,
        Gateway gateway,

        @Key(name = ConfigKeys.FLINK_PREFIX) Map<String, String> flink)
        implements Serializable {

    /** Keys without effect since an earlier version, each with its successor in a sentence. */
    private static final Map<String, String> RETIRED = Map.of();

    public RerankConfig {
        // a transaction is open from one checkpoint until the next is complete
        Duration least = checkpointInterval.multipliedBy(2);
        if (kafka.delivery == Delivery.EXACTLY_ONCE && kafka.transactionTimeout.compareTo(least) < 0) {
            throw new ConfigException("kafka.transaction-timeout is " + kafka.transactionTimeout
                    + "; expected at least twice job.checkpoint-interval, " + least);
        }
    }

    /**
     * Merges defaults, the {@code key=value} lines of a file, and overrides; later ones win.
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

    /**
     * Parses and checks merged values.
     *
     * @throws ConfigException when a key is unknown or retired, or a value is missing or refused
     */
    public static RerankConfig of(Map<String, String> values) {
        return ConfigBinder.bind(RerankConfig.class, values, RETIRED);
    }

    /** Lists the keys that were set for a log, one a line, secrets masked. */
    public static String describe(Map<String, String> values) {
        StringBuilder lines = new StringBuilder("configuration, all other keys as in conf/rerank.properties:");
        new TreeMap<>(values)
                .forEach((key, value) -> lines.append("\n  ")
                        .append(key)
                        .append('=')
                        .append(isSecret(key) ? "******" : value.replace("\n", "\\n")));
        return lines.toString();
    }

    /** Masks what Flink takes for a secret, except our own keys, and Kafka's private key in text form. */
    private static boolean isSecret(String key) {
        boolean own = ConfigBinder.options(RerankConfig.class).stream()
                .anyMatch(option -> option.key().equals(key));
        return !own && (GlobalConfiguration.isSensitive(key) || key.endsWith("ssl.keystore.key"));
    }

    public record Kafka(
            @Key(name = ConfigKeys.BOOTSTRAP_SERVERS, byDefault = "localhost:9092")
            String bootstrapServers,

            @Key(name = ConfigKeys.GROUP_ID, byDefault = "lychee-rerank")
            String groupId,

            @Key(name = "kafka.topic.requests", byDefault = "rerank.requests")
            String requestsTopic,

            @Key(name = "kafka.topic.results", byDefault = "rerank.results")
            String resultsTopic,

            @Key(name = "kafka.topic.backfill", byDefault = "rerank.backfill")
            String backfillTopic,

            @Key(name = "kafka.topic.backfill-results", byDefault = "rerank.backfill.results")
            String backfillResultsTopic,

            @Key(name = "kafka.topic.dead-letters", byDefault = "rerank.dead-letters")
            String deadLettersTopic,

            @Key(name = ConfigKeys.OUTPUT_FORMAT, byDefault = "avro")
            OutputFormat outputFormat,

            @Key(name = ConfigKeys.STARTING_OFFSETS, byDefault = "committed")
            StartingOffsets startingOffsets,

            @Key(name = "kafka.max-record-bytes", byDefault = "8 mb", min = "4 kb", max = "1 gb", bytes = true)
            int maxRecordBytes,

            @Key(name = ConfigKeys.DELIVERY, byDefault = "at-least-once")
            Delivery delivery,

            @Key(name = ConfigKeys.EXACTLY_ONCE_FROM_OFFSETS, byDefault = "false")
            boolean exactlyOnceFromOffsets,

            @Key(name = "kafka.transaction-timeout", byDefault = "10 min")
            Duration transactionTimeout,

            @Key(name = "kafka.properties.") Map<String, String> properties)
            implements Serializable {}

    public record Model(
            @Key(name = ConfigKeys.CHECKPOINT) String checkpoint,

            @Key(name = ConfigKeys.DEVICE, byDefault = "auto")
            String device)
            implements Serializable {

        public Model onto(String one) {
            return new Model(checkpoint, one);
        }
    }

    public record Prompt(
            @Key(
                    name = ConfigKeys.INSTRUCTION,
                    byDefault = "Given a web search query, retrieve relevant passages that answer the query.")
            String instruction,

            @Key(
                    name = "prompt.system",
                    byDefault = "Judge whether the Document meets the requirements based on the Query and the Instruct"
                            + " provided. Note that the answer can only be \"yes\" or \"no\".")
            String system,

            @Key(
                    name = "prompt.template",
                    byDefault = "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n<Instruct>: {instruction}"
                            + "<Query>:{query}\n<Document>:{document}<|im_end|>\n<|im_start|>assistant\n")
            String template)
            implements Serializable {}

    /** Cleans texts before they are encoded. */
    public record Preparation(
            @Key(name = "text.normalize", byDefault = "false")
            boolean normalize,

            @Key(name = "text.spellings", byDefault = "") String spellings,

            @Key(name = "text.candidate-template", byDefault = "")
            String template)
            implements Serializable {}

    public record Limits(
            @Key(name = "list.max-candidates", byDefault = "1000", min = "1")
            int maxCandidates,

            @Key(name = "text.max-query-tokens", byDefault = "512", min = "1")
            int maxQueryTokens,

            @Key(name = "text.max-candidate-tokens", byDefault = "1024", min = "1")
            int maxCandidateTokens,

            @Key(name = "pair.max-tokens", byDefault = "16384", min = "64")
            int maxPairTokens,

            @Key(name = "pair.trained-tokens", byDefault = "3200", min = "1")
            int trainedPairTokens,

            @Key(name = "image.min-pixels", byDefault = "3136", min = "784")
            int minPixels,

            @Key(name = "image.max-pixels", byDefault = "1003520")
            int maxPixels,

            @Key(name = "image.max-decoded-pixels", byDefault = "64000000", min = "784")
            int maxDecodedPixels,

            @Key(name = "image.max-bytes", byDefault = "16 mb", min = "1 kb", max = "1 gb", bytes = true)
            int maxImageBytes,

            @Key(name = "image.max-per-candidate", byDefault = "8", min = "1")
            int maxImages,

            @Key(name = "image.decode-timeout", byDefault = "20 s")
            Duration decodeTimeout,

            @Key(name = ConfigKeys.IMAGE_ROOTS, byDefault = "")
            List<String> imageRoots)
            implements Serializable {

        public Limits {
            if (maxPixels < minPixels) {
                throw new ConfigException("image.max-pixels is " + maxPixels + "; expected at least " + minPixels);
            }
        }
    }

    public record Fetch(
            @Key(name = "fetch.connect-timeout", byDefault = "5 s")
            Duration connectTimeout,

            @Key(name = "fetch.timeout", byDefault = "10 s") Duration timeout,

            @Key(name = "fetch.tries", byDefault = "3", min = "1")
            int tries,

            @Key(name = "fetch.max-redirects", byDefault = "3", min = "0")
            int maxRedirects,

            @Key(name = "fetch.max-connections", byDefault = "64", min = "2")
            int maxConnections,

            @Key(name = "fetch.allow-private-addresses", byDefault = "false")
            boolean allowPrivateAddresses)
            implements Serializable {}

    public record Gateway(
            @Key(name = ConfigKeys.GATEWAY_TIMEOUT, byDefault = "30 s")
            Duration timeout,

            @Key(name = "gateway.max-requests", byDefault = "100", min = "1")
            int maxRequests,

            @Key(name = "gateway.max-body-bytes", byDefault = "12 mb", min = "1 kb", max = "1 gb", bytes = true)
            int maxBodyBytes,

            @Key(name = "gateway.max-memory", byDefault = "0", bytes = true)
            long maxMemory,

            @Key(name = "gateway.max-body-tokens", byDefault = "200000", min = "10")
            int maxBodyTokens,

            @Key(name = "gateway.allowed-hosts", byDefault = "")
            List<String> allowedHosts,

            @Key(name = "gateway.heartbeat-interval", byDefault = "30 s")
            Duration heartbeatInterval,

            @Key(name = "gateway.max-connections", byDefault = "1000", min = "1")
            int maxConnections,

            @Key(name = "gateway.read-timeout", byDefault = "30 s")
            Duration readTimeout)
            implements Serializable {}
}
