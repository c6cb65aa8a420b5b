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
 * Declares every key of {@code conf/rerank.properties}, each as a record component; the task managers get a copy.
 *
 * <p>Keys are public API: a renamed one keeps its former name, a retired one its successor. Sizes are bytes.
 */
public record RerankConfig(
        Kafka kafka,
        Model model,
        Prompt prompt,
        Preparation preparation,
        Limits limits,

        @Key(name = "rules", byDefault = "")
        @Doc("Rules on top of the scores, semicolon-separated: NAME: CONDITION and … -> drop, or -> boost AMOUNT."
                + " For example: weak: score < 0.4 -> drop; seller: score > 0.75 and sales > 1000 -> boost 0.1."
                + " Boosts apply first, then drops, then the sort.")
        List<String> rules,

        Fetch fetch,
        EngineConfig.Lanes lanes,
        EngineConfig.Caches caches,
        EngineConfig engine,

        @Key(name = "job.parallelism", byDefault = "1", min = "1")
        @Doc("Subtasks of each operator. A task manager scores with all its GPUs at any parallelism.")
        int parallelism,

        @Key(name = ConfigKeys.PLACEMENT, byDefault = "any")
        @Doc("Task managers of a cluster that run the job's operators: any, or gpu for those that declare Flink's"
                + " external resource gpu. gpu takes one GPU a subtask; set job.parallelism to the number of GPUs.")
        Placement placement,

        @Key(name = "job.checkpoint-interval", byDefault = "10 s")
        @Doc("Interval between checkpoints of offsets and lists in flight; bounds the work repeated after a failure.")
        Duration checkpointInterval,

        @Key(name = ConfigKeys.CHECKPOINT_DIR, byDefault = "")
        @Doc("Folder where ./lychee job keeps its checkpoints and resumes from; empty means GROUP.checkpoints in the"
                + " current folder. A cluster in application mode without high availability does the same in a folder"
                + " that every process reaches; other clusters, and empty there, use execution.checkpointing.dir.")
        String checkpointDir,

        @Key(name = "job.max-in-flight-bytes", byDefault = "64 mb", min = "1 mb", bytes = true)
        @Doc("Record bytes in flight in a subtask of a lane, part of each checkpoint; its source pauses above it.")
        long maxInFlightBytes,

        @Key(name = ConfigKeys.DRAIN_TIMEOUT, byDefault = "30 s")
        @Doc("Time an embedded job has after SIGTERM or Ctrl-C to answer the lists in flight.")
        Duration drainTimeout,

        @Key(name = ConfigKeys.METRICS_PORT, byDefault = "0", min = "0", max = "65535")
        @Doc("Port of the embedded Flink's Prometheus endpoint; 0 disables it. A cluster uses metrics.reporter.*.")
        int metricsPort,

        @Key(name = ConfigKeys.METRICS_HOST, byDefault = "127.0.0.1")
        @Doc("Address that metrics.port listens on; any other than loopback exposes the metrics to the network.")
        String metricsHost,

        FilesConfig inputs,
        GatewayConfig gateway,

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
        return key.equals(ConfigKeys.API_KEY)
                || (!own && (GlobalConfiguration.isSensitive(key) || key.endsWith("ssl.keystore.key")));
    }

    public record Kafka(
            @Key(name = ConfigKeys.BOOTSTRAP_SERVERS, byDefault = "localhost:9092")
            @Doc("Brokers to connect to first: host:port, comma-separated.")
            String bootstrapServers,

            @Key(name = ConfigKeys.GROUP_ID, byDefault = "lychee-rerank")
            @Doc("Consumer group whose committed offsets the job starts from and commits to.")
            String groupId,

            @Key(name = "kafka.topic.requests", byDefault = "rerank.requests")
            @Doc("Candidate lists of the realtime lane.")
            String requestsTopic,

            @Key(name = "kafka.topic.results", byDefault = "rerank.results") @Doc("Answers of the realtime lane.")
            String resultsTopic,

            @Key(name = "kafka.topic.backfill", byDefault = "rerank.backfill")
            @Doc("Candidate lists of the backfill lane.")
            String backfillTopic,

            @Key(name = "kafka.topic.backfill-results", byDefault = "rerank.backfill.results")
            @Doc("Answers of the backfill lane.")
            String backfillResultsTopic,

            @Key(name = "kafka.topic.dead-letters", byDefault = "rerank.dead-letters")
            @Doc("Unreadable records of both lanes, with origin and reason.")
            String deadLettersTopic,

            @Key(name = ConfigKeys.OUTPUT_FORMAT, byDefault = "avro")
            @Doc("Format of answers and dead letters: avro (single-object encoding) or json.")
            OutputFormat outputFormat,

            @Key(name = ConfigKeys.STARTING_OFFSETS, byDefault = "committed")
            @Doc("Start of a job without a checkpoint: committed (without offsets earliest), earliest or latest.")
            StartingOffsets startingOffsets,

            @Key(name = "kafka.max-record-bytes", byDefault = "8 mb", min = "4 kb", max = "1 gb", bytes = true)
            @Doc("Larger incoming records become dead letters; larger answers are shortened. The brokers'"
                    + " message.max.bytes should be at least this.")
            int maxRecordBytes,

            @Key(name = ConfigKeys.DELIVERY, byDefault = "at-least-once")
            @Doc("at-least-once repeats some answers after a failure. exactly-once shows an answer to read_committed"
                    + " consumers with the checkpoint that covers it, up to job.checkpoint-interval later.")
            Delivery delivery,

            @Key(name = ConfigKeys.EXACTLY_ONCE_FROM_OFFSETS, byDefault = "false")
            @Doc("Accepts repeated answers: exactly-once starts without its checkpoint although the group has committed"
                    + " offsets. Lists above these offsets that were answered are answered again.")
            boolean exactlyOnceFromOffsets,

            @Key(name = "kafka.transaction-timeout", byDefault = "10 min")
            @Doc("Time after which a broker aborts an open transaction of exactly-once. A longer outage of the job"
                    + " loses answers. At most the broker's transaction.max.timeout.ms (15 minutes by default), at"
                    + " least twice job.checkpoint-interval.")
            Duration transactionTimeout,

            @Key(name = "kafka.properties.") Map<String, String> properties)
            implements Serializable {}

    public record Model(
            @Key(name = ConfigKeys.CHECKPOINT)
            @Doc("Hugging Face checkpoint folder: config.json, tokenizer.json, *.safetensors. Or hf:ORG/NAME or"
                    + " modelscope:ORG/NAME, except on a cluster: ./lychee pull downloads it and prints its folder.")
            String checkpoint,

            @Key(name = ConfigKeys.DEVICE, byDefault = "auto")
            @Doc("cpu, cuda:N, cuda, or auto. cuda scores with every GPU of Flink's external resource gpu in the task"
                    + " manager, or without one with every GPU that PyTorch sees. auto does the same, and uses the CPU"
                    + " where there is no GPU. cpu ignores Flink's GPUs.")
            String device,

            @Key(name = "model.precision", byDefault = "auto")
            @Doc("auto, float32, float16, bfloat16 or fp8. auto is float32 on the CPU and bfloat16 on a GPU, float16 on"
                    + " one that is too old for it. fp8 multiplies in 8 bits, on GPUs of compute capability 8.9 and 9.0:"
                    + " half the memory, up to 1.7 times the speed; docs/measurements.md has its cost in quality.")
            Precision precision)
            implements Serializable {}

    public record Prompt(
            @Key(name = ConfigKeys.INSTRUCTION, byDefault = "")
            @Doc("Instruction of lists that have none of their own. Empty means that of the checkpoint's family:"
                    + " \"Given a web search query, retrieve relevant passages that answer the query.\" for Qwen2.5-VL,"
                    + " \"Given a search query, retrieve relevant candidates that answer the query.\" for Qwen3-VL.")
            String instruction,

            @Key(
                    name = "prompt.system",
                    byDefault = "Judge whether the Document meets the requirements based on the Query and the Instruct"
                            + " provided. Note that the answer can only be \"yes\" or \"no\".")
            @Doc("The system message.")
            String system,

            @Key(
                    name = "prompt.template",
                    byDefault = "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n<Instruct>: {instruction}"
                            + "<Query>:{query}\n<Document>:{document}<|im_end|>\n<|im_start|>assistant\n")
            @Doc("The whole prompt. Control tokens are inserted by id. The part up to the last newline before"
                    + " {document} is computed once a list.")
            String template)
            implements Serializable {}

    /** Cleans texts before they are encoded. */
    public record Preparation(
            @Key(name = "text.normalize", byDefault = "false")
            @Doc("Normalizes texts of queries and candidates to Unicode's NFKC: full-width letters and digits become"
                    + " ordinary ones, ligatures letters, accents part of their letter.")
            boolean normalize,

            @Key(name = "text.spellings", byDefault = "")
            @Doc("File of canonical names, one a line, # for any number: with iPhone # Pro Max in it, iphone15pro max"
                    + " becomes iPhone 15 Pro Max in queries and candidates. Empty for none.")
            String spellings,

            @Key(name = "text.candidate-template", byDefault = "")
            @Doc("Template of a candidate's text from its own ({text}) and its attributes, in parts between \" | \":"
                    + " {text} | {brand} | colour: {colour}. A part with a name that has no value is left out. Empty"
                    + " leaves the text unchanged.")
            String template)
            implements Serializable {}

    public record Limits(
            @Key(name = ConfigKeys.MAX_CANDIDATES, byDefault = "1000", min = "1")
            @Doc("A longer list becomes a dead letter.")
            int maxCandidates,

            @Key(name = "text.max-query-tokens", byDefault = "512", min = "1")
            @Doc("Longer text of a query is truncated.")
            int maxQueryTokens,

            @Key(name = "text.max-candidate-tokens", byDefault = "1024", min = "1")
            @Doc("Longer text of a candidate is truncated, and the candidate marked truncated.")
            int maxCandidateTokens,

            @Key(name = "pair.max-tokens", byDefault = "16384", min = "64")
            @Doc("A candidate that needs more with its query is rejected (OVER_BUDGET).")
            int maxPairTokens,

            @Key(name = "pair.trained-tokens", byDefault = "0", min = "0")
            @Doc("Length the network was trained on; the detail of a longer scored pair notes it. 0 means that of the"
                    + " checkpoint's family: 3200 for Qwen2.5-VL, 10240 for Qwen3-VL.")
            int trainedPairTokens,

            @Key(name = "image.min-pixels", byDefault = "0", min = "0")
            @Doc("Smaller images are enlarged to this, or to a larger minimum of the checkpoint. 0 means the minimum of"
                    + " the checkpoint's family: 3136 for Qwen2.5-VL, 4096 for Qwen3-VL.")
            int minPixels,

            @Key(name = "image.max-pixels", byDefault = "0", min = "0")
            @Doc("Larger images are reduced to this, or to a smaller maximum of the checkpoint. 0 means the maximum of"
                    + " the checkpoint's family: 1003520 for Qwen2.5-VL (784 pixels a token), 1843200 for Qwen3-VL"
                    + " (1024 pixels a token).")
            int maxPixels,

            @Key(name = "image.rules", byDefault = "sensible")
            @Doc("sensible reads images as a browser shows them. published reads and resizes them as the checkpoint's"
                    + " published pipeline does, quirks included; docs/decisions.md lists the differences.")
            ImageRules imageRules,

            @Key(name = "image.max-decoded-pixels", byDefault = "64000000", min = "784")
            @Doc("Images that declare more are rejected before decoding; also bounds the pixels decoded at a time.")
            int maxDecodedPixels,

            @Key(name = "image.max-bytes", byDefault = "16 mb", min = "1 kb", max = "1 gb", bytes = true)
            @Doc("Larger image files are rejected.")
            int maxImageBytes,

            @Key(name = "image.max-per-candidate", byDefault = "8", min = "1")
            @Doc("A candidate (or query) with more images is rejected.")
            int maxImages,

            @Key(name = "image.decode-timeout", byDefault = "20 s")
            @Doc("A candidate or query that takes longer to decode, resize and tokenize is rejected. The process ends"
                    + " (exit code 70) when more than encode.threads hang in native code.")
            Duration decodeTimeout,

            @Key(name = ConfigKeys.IMAGE_ROOTS, byDefault = "")
            @Doc("Folders that file: references may point into, semicolon-separated; relative references start in the"
                    + " first. Empty refuses file: references, except for a backfill from files, where the folder of"
                    + " the first input is the root. The console shows their pictures.")
            List<String> imageRoots)
            implements Serializable {

        public Limits {
            if (maxPixels > 0 && maxPixels < minPixels) {
                throw new ConfigException("image.max-pixels is " + maxPixels + "; expected at least " + minPixels);
            }
        }
    }

    public record Fetch(
            @Key(name = "fetch.connect-timeout", byDefault = "5 s") @Doc("Timeout of a connection to an image's host.")
            Duration connectTimeout,

            @Key(name = "fetch.timeout", byDefault = "10 s") @Doc("Timeout of one image, tries and redirects included.")
            Duration timeout,

            @Key(name = "fetch.tries", byDefault = "3", min = "1")
            @Doc("Attempts at a fetch that fails in transit; a 4xx answer is final.")
            int tries,

            @Key(name = "fetch.max-redirects", byDefault = "3", min = "0")
            @Doc("An image behind more redirects is rejected; each step is checked like the first.")
            int maxRedirects,

            @Key(name = "fetch.max-connections", byDefault = "64", min = "2")
            @Doc("Open connections to image hosts; half as many to one host.")
            int maxConnections,

            @Key(name = "fetch.allow-private-addresses", byDefault = "false")
            @Doc("Permits images from loopback, private, link-local and other addresses that are not public.")
            boolean allowPrivateAddresses)
            implements Serializable {}
}
