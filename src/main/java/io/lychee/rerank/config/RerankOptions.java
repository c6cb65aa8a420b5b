package io.lychee.rerank.config;

import java.lang.reflect.Modifier;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.description.TextElement;

/** Every key of {@code conf/rerank.properties}. Keys are public API: a renamed one is listed with its successor. */
public final class RerankOptions {

    /** Keys that start so are handed to the Kafka clients, without the prefix. */
    public static final String KAFKA_PREFIX = "kafka.properties.";

    /** Keys that start so are handed to the embedded Flink, without the prefix. */
    public static final String FLINK_PREFIX = "flink.";

    // ---- the broker

    public static final ConfigOption<String> BOOTSTRAP_SERVERS = ConfigOptions.key("kafka.bootstrap-servers")
            .stringType()
            .defaultValue("localhost:9092")
            .withDescription("Brokers to connect to first, host:port, comma-separated.");

    public static final ConfigOption<String> GROUP_ID = ConfigOptions.key("kafka.group-id")
            .stringType()
            .defaultValue("lychee-rerank")
            .withDescription("Consumer group whose committed offsets the job starts from and reports to.");

    public static final ConfigOption<String> REQUESTS_TOPIC = ConfigOptions.key("kafka.topic.requests")
            .stringType()
            .defaultValue("rerank.requests")
            .withDescription("Candidate lists of the realtime lane.");

    public static final ConfigOption<String> RESULTS_TOPIC = ConfigOptions.key("kafka.topic.results")
            .stringType()
            .defaultValue("rerank.results")
            .withDescription("Answers of the realtime lane.");

    public static final ConfigOption<String> BACKFILL_TOPIC = ConfigOptions.key("kafka.topic.backfill")
            .stringType()
            .defaultValue("rerank.backfill")
            .withDescription("Candidate lists of the backfill lane.");

    public static final ConfigOption<String> BACKFILL_RESULTS_TOPIC = ConfigOptions.key("kafka.topic.backfill-results")
            .stringType()
            .defaultValue("rerank.backfill.results")
            .withDescription("Answers of the backfill lane.");

    public static final ConfigOption<String> DEAD_LETTERS_TOPIC = ConfigOptions.key("kafka.topic.dead-letters")
            .stringType()
            .defaultValue("rerank.dead-letters")
            .withDescription("Records of either lane that could not be read, with origin and reason.");

    public static final ConfigOption<OutputFormat> OUTPUT_FORMAT = ConfigOptions.key("kafka.output-format")
            .enumType(OutputFormat.class)
            .defaultValue(OutputFormat.AVRO)
            .withDescription("How answers and dead letters are written: avro (single-object encoding) or json.");

    public static final ConfigOption<StartingOffsets> STARTING_OFFSETS = ConfigOptions.key("kafka.starting-offsets")
            .enumType(StartingOffsets.class)
            .defaultValue(StartingOffsets.COMMITTED)
            .withDescription("Where a job without a checkpoint starts: committed (earliest where the group has"
                    + " committed nothing), earliest or latest.");

    public static final ConfigOption<MemorySize> MAX_RECORD_BYTES = ConfigOptions.key("kafka.max-record-bytes")
            .memoryType()
            .defaultValue(MemorySize.ofMebiBytes(8))
            .withDescription("Larger incoming records become dead letters; larger answers are shortened. The brokers'"
                    + " message.max.bytes should be at least this.");

    public static final ConfigOption<Delivery> DELIVERY = ConfigOptions.key("kafka.delivery-guarantee")
            .enumType(Delivery.class)
            .defaultValue(Delivery.AT_LEAST_ONCE)
            .withDescription("at-least-once: after a failure some answers come again; or exactly-once: answers become"
                    + " visible to read_committed consumers with the checkpoint that covers them, so up to"
                    + " job.checkpoint-interval later.");

    public static final ConfigOption<Boolean> EXACTLY_ONCE_FROM_OFFSETS = ConfigOptions.key(
                    "kafka.exactly-once-from-offsets")
            .booleanType()
            .defaultValue(false)
            .withDescription(
                    "Accepts repeated answers: lets exactly-once start without its checkpoint although the group"
                            + " has committed offsets. Lists that were answered above these offsets are answered again.");

    public static final ConfigOption<Duration> TRANSACTION_TIMEOUT = ConfigOptions.key("kafka.transaction-timeout")
            .durationType()
            .defaultValue(Duration.ofMinutes(10))
            .withDescription("How long a broker keeps an open transaction of exactly-once. An outage of the job that"
                    + " lasts longer loses answers, so as long as the broker's transaction.max.timeout.ms (15 minutes"
                    + " by default) allows, and at least twice job.checkpoint-interval.");

    // ---- the network

    public static final ConfigOption<String> CHECKPOINT = ConfigOptions.key("model.checkpoint")
            .stringType()
            .noDefaultValue()
            .withDescription("Hugging Face checkpoint directory: config.json, tokenizer.json, *.safetensors.");

    public static final ConfigOption<String> DEVICE = ConfigOptions.key("model.device")
            .stringType()
            .defaultValue("auto")
            .withDescription("cpu, cuda:N, cuda, or auto. cuda scores with every GPU that Flink's external resource gpu"
                    + " gives the task manager, or where it gives none, with every one that PyTorch sees; auto does the"
                    + " same, and takes the CPU where there is no GPU. cpu holds also where Flink gives GPUs.");

    public static final ConfigOption<String> INSTRUCTION = ConfigOptions.key("prompt.instruction")
            .stringType()
            .defaultValue("Given a web search query, retrieve relevant passages that answer the query.")
            .withDescription("What lists without an instruction of their own are judged by.");

    public static final ConfigOption<String> SYSTEM = ConfigOptions.key("prompt.system")
            .stringType()
            .defaultValue("Judge whether the Document meets the requirements based on the Query and the Instruct"
                    + " provided. Note that the answer can only be \"yes\" or \"no\".")
            .withDescription("The system message.");

    public static final ConfigOption<String> TEMPLATE = ConfigOptions.key("prompt.template")
            .stringType()
            .defaultValue("<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n<Instruct>: {instruction}"
                    + "<Query>:{query}\n<Document>:{document}<|im_end|>\n<|im_start|>assistant\n")
            .withDescription("The whole prompt. Control tokens are put in by id; what comes before the last newline in"
                    + " front of {document} is computed once a list.");

    // ---- limits

    public static final ConfigOption<Integer> MAX_CANDIDATES = ConfigOptions.key("list.max-candidates")
            .intType()
            .defaultValue(1000)
            .withDescription("A longer list becomes a dead letter.");

    public static final ConfigOption<List<String>> RULES = ConfigOptions.key("rules")
            .stringType()
            .asList()
            .defaultValues()
            .withDescription(
                    "Semicolon-separated rules on top of the scores: NAME: CONDITION and … -> drop, or -> boost"
                            + " AMOUNT. For example: weak: score < 0.4 -> drop; seller: score > 0.75 and sales > 1000 -> boost"
                            + " 0.1. Boosts come first, then drops, then the sort.");

    public static final ConfigOption<Boolean> NORMALIZE = ConfigOptions.key("text.normalize")
            .booleanType()
            .defaultValue(false)
            .withDescription("Whether texts of queries and candidates are brought to Unicode's NFKC: full-width letters"
                    + " and digits become ordinary ones, ligatures letters, accents part of their letter.");

    public static final ConfigOption<String> SPELLINGS = ConfigOptions.key("text.spellings")
            .stringType()
            .defaultValue("")
            .withDescription(
                    "File of names as they should be spelled, one a line, # for any number: with iPhone # Pro"
                            + " Max in it, iphone15pro max becomes iPhone 15 Pro Max in queries and candidates. Empty for none.");

    public static final ConfigOption<String> CANDIDATE_TEMPLATE = ConfigOptions.key("text.candidate-template")
            .stringType()
            .defaultValue("")
            .withDescription("How a candidate's text is made of its own ({text}) and its attributes, in parts between"
                    + " \" | \": {text} | {brand} | colour: {colour}. A part with a name that has no value is left"
                    + " out. Empty takes the text as it is.");

    public static final ConfigOption<Integer> MAX_QUERY_TOKENS = ConfigOptions.key("text.max-query-tokens")
            .intType()
            .defaultValue(512)
            .withDescription("Text of a query is cut behind this many tokens.");

    public static final ConfigOption<Integer> MAX_CANDIDATE_TOKENS = ConfigOptions.key("text.max-candidate-tokens")
            .intType()
            .defaultValue(1024)
            .withDescription("Text of a candidate is cut behind this many tokens, and the candidate marked truncated.");

    public static final ConfigOption<Integer> MAX_PAIR_TOKENS = ConfigOptions.key("pair.max-tokens")
            .intType()
            .defaultValue(16_384)
            .withDescription("A candidate that needs more with its query is rejected (OVER_BUDGET).");

    public static final ConfigOption<Integer> TRAINED_PAIR_TOKENS = ConfigOptions.key("pair.trained-tokens")
            .intType()
            .defaultValue(3200)
            .withDescription("Length the network was trained on; a scored pair above it says so in its detail.");

    public static final ConfigOption<Integer> MIN_PIXELS = ConfigOptions.key("image.min-pixels")
            .intType()
            .defaultValue(3136)
            .withDescription(
                    "Smaller images are enlarged to this; the checkpoint's own minimum holds where it is more.");

    public static final ConfigOption<Integer> MAX_PIXELS = ConfigOptions.key("image.max-pixels")
            .intType()
            .defaultValue(1_003_520)
            .withDescription(
                    "Larger images are reduced to this (784 pixels a token); the checkpoint's own maximum holds"
                            + " where it is less.");

    public static final ConfigOption<Integer> MAX_DECODED_PIXELS = ConfigOptions.key("image.max-decoded-pixels")
            .intType()
            .defaultValue(64_000_000)
            .withDescription(
                    "Images that declare more are rejected before they are decoded; no more than this is decoded at"
                            + " a time.");

    public static final ConfigOption<MemorySize> MAX_IMAGE_BYTES = ConfigOptions.key("image.max-bytes")
            .memoryType()
            .defaultValue(MemorySize.ofMebiBytes(16))
            .withDescription("Image files above this are rejected.");

    public static final ConfigOption<Integer> MAX_IMAGES = ConfigOptions.key("image.max-per-candidate")
            .intType()
            .defaultValue(8)
            .withDescription("A candidate (or query) with more images is rejected.");

    public static final ConfigOption<Duration> DECODE_TIMEOUT = ConfigOptions.key("image.decode-timeout")
            .durationType()
            .defaultValue(Duration.ofSeconds(20))
            .withDescription(
                    "A candidate or query that takes longer to decode, resize and tokenize is rejected. When more"
                            + " than encode.threads hang in native code, the process ends (exit code 70).");

    public static final ConfigOption<List<String>> IMAGE_ROOTS = ConfigOptions.key("image.roots")
            .stringType()
            .asList()
            .defaultValues()
            .withDescription("Folders, semicolon-separated, that file: references may lie under; relative ones are"
                    + " looked up in the first. Empty refuses file: references, except for a backfill from files,"
                    + " where the folder of the first input is the root.");

    public static final ConfigOption<Duration> FETCH_CONNECT_TIMEOUT = ConfigOptions.key("fetch.connect-timeout")
            .durationType()
            .defaultValue(Duration.ofSeconds(5))
            .withDescription("For the connection to an image's host.");

    public static final ConfigOption<Duration> FETCH_TIMEOUT = ConfigOptions.key("fetch.timeout")
            .durationType()
            .defaultValue(Duration.ofSeconds(10))
            .withDescription("For one image in all, tries and redirects included.");

    public static final ConfigOption<Integer> FETCH_TRIES = ConfigOptions.key("fetch.tries")
            .intType()
            .defaultValue(3)
            .withDescription("How often a fetch that failed on the way (not by a 4xx answer) is tried.");

    public static final ConfigOption<Integer> FETCH_REDIRECTS = ConfigOptions.key("fetch.max-redirects")
            .intType()
            .defaultValue(3)
            .withDescription("An image that is further away is rejected; each step is checked like the first.");

    public static final ConfigOption<Integer> FETCH_CONNECTIONS = ConfigOptions.key("fetch.max-connections")
            .intType()
            .defaultValue(64)
            .withDescription("Open connections to image hosts; half as many to one host.");

    public static final ConfigOption<Boolean> FETCH_PRIVATE = ConfigOptions.key("fetch.allow-private-addresses")
            .booleanType()
            .defaultValue(false)
            .withDescription("Whether images may come from loopback, private, link-local and other addresses that are"
                    + " not public.");

    // ---- scheduling

    public static final ConfigOption<Duration> REALTIME_TIMEOUT = ConfigOptions.key("realtime.timeout")
            .durationType()
            .defaultValue(Duration.ofSeconds(10))
            .withDescription("From a record's timestamp to its answer, where the list names none. 0 means none.");

    public static final ConfigOption<Duration> BACKFILL_TIMEOUT = ConfigOptions.key("backfill.timeout")
            .durationType()
            .defaultValue(Duration.ZERO)
            .withDescription("The same for the backfill lane. 0 means none.");

    public static final ConfigOption<Double> BACKFILL_MIN_SHARE = ConfigOptions.key("backfill.min-share")
            .doubleType()
            .defaultValue(0.1)
            .withDescription("Share of the device's time, over 10 seconds, that backfill keeps when realtime could use"
                    + " all of it; 0 to 0.5. What realtime leaves is backfill's anyway.");

    public static final ConfigOption<Integer> REALTIME_CAPACITY = ConfigOptions.key("realtime.capacity")
            .intType()
            .defaultValue(64)
            .withDescription(
                    "Lists in flight in a subtask of the realtime lane; more wait in the topic. They are part of"
                            + " each checkpoint.");

    public static final ConfigOption<Integer> BACKFILL_CAPACITY = ConfigOptions.key("backfill.capacity")
            .intType()
            .defaultValue(32)
            .withDescription("The same for the backfill lane.");

    public static final ConfigOption<MemorySize> CACHE_VISION = ConfigOptions.key("cache.vision.max-bytes")
            .memoryType()
            .defaultValue(MemorySize.ofMebiBytes(1024))
            .withDescription("Device memory that keeps what the vision tower made of images; an image seen again costs"
                    + " nothing there. 0 keeps none.");

    public static final ConfigOption<MemorySize> CACHE_IMAGES = ConfigOptions.key("cache.images.max-bytes")
            .memoryType()
            .defaultValue(MemorySize.ofMebiBytes(256))
            .withDescription("Memory that keeps decoded and resized images, by their bytes. 0 keeps none.");

    public static final ConfigOption<Integer> CACHE_SCORES = ConfigOptions.key("cache.scores.max-entries")
            .intType()
            .defaultValue(100_000)
            .withDescription("Pairs whose score is kept, about 200 bytes each. 0 keeps none.");

    public static final ConfigOption<Duration> CACHE_SCORES_EXPIRE = ConfigOptions.key("cache.scores.expire-after")
            .durationType()
            .defaultValue(Duration.ofMinutes(10))
            .withDescription("How long a score is kept.");

    public static final ConfigOption<Integer> PASS_TOKENS = ConfigOptions.key("pass.max-tokens")
            .intType()
            .defaultValue(8192)
            .withDescription("Tokens of one pass over the network: as few as saturate the device. A longer pair gets a"
                    + " pass of its own.");

    public static final ConfigOption<Duration> PASS_TIMEOUT = ConfigOptions.key("pass.timeout")
            .durationType()
            .defaultValue(Duration.ofSeconds(60))
            .withDescription("A pass that takes longer means a hanging device: the process ends (exit code 70).");

    public static final ConfigOption<OnDeath> ON_DEATH = ConfigOptions.key("engine.on-death")
            .enumType(OnDeath.class)
            .defaultValue(OnDeath.FAIL)
            .withDescription("When the device fails, its lists are replayed; fail: by a new engine in the same process;"
                    + " exit: the process ends with exit code 70 first, so that Flink replays them on another task"
                    + " manager, the default of a job on a cluster. When it hangs, the process ends in either case.");

    public static final ConfigOption<Integer> ENCODE_THREADS = ConfigOptions.key("encode.threads")
            .intType()
            .defaultValue(0)
            .withDescription("Threads that tokenize text and decode images. 0 means one a core.");

    public static final ConfigOption<MemorySize> ENCODE_BYTES = ConfigOptions.key("encode.max-bytes")
            .memoryType()
            .defaultValue(MemorySize.ofMebiBytes(512))
            .withDescription(
                    "Images under way (image.max-bytes each until they are here) and work encoded for the device;"
                            + " fetching and encoding pause above it. What needs more runs alone.");

    public static final ConfigOption<Integer> PARALLELISM = ConfigOptions.key("job.parallelism")
            .intType()
            .defaultValue(1)
            .withDescription(
                    "Subtasks of each operator. Task managers score with every GPU they have, whatever this is.");

    public static final ConfigOption<Placement> PLACEMENT = ConfigOptions.key("job.placement")
            .enumType(Placement.class)
            .defaultValue(Placement.ANY)
            .withDescription("Where a cluster runs the job's operators; any: on every task manager; gpu: only where"
                    + " Flink's external resource gpu is declared, one GPU a subtask, so that job.parallelism should be"
                    + " the number of GPUs.");

    public static final ConfigOption<Duration> CHECKPOINT_INTERVAL = ConfigOptions.key("job.checkpoint-interval")
            .durationType()
            .defaultValue(Duration.ofSeconds(10))
            .withDescription("How often offsets and lists in flight are stored; at most this much is done again after a"
                    + " failure.");

    public static final ConfigOption<String> CHECKPOINT_DIR = ConfigOptions.key("job.checkpoint-dir")
            .stringType()
            .defaultValue("")
            .withDescription("Folder where ./lychee job keeps its checkpoints and resumes from; empty means"
                    + " GROUP.checkpoints in the current folder. A cluster has execution.checkpointing.dir.");

    public static final ConfigOption<MemorySize> MAX_IN_FLIGHT_BYTES = ConfigOptions.key("job.max-in-flight-bytes")
            .memoryType()
            .defaultValue(MemorySize.ofMebiBytes(64))
            .withDescription("Bytes of records in flight in a subtask of a lane; its source pauses above it. They are"
                    + " part of each checkpoint.");

    public static final ConfigOption<Duration> DRAIN_TIMEOUT = ConfigOptions.key("job.drain-timeout")
            .durationType()
            .defaultValue(Duration.ofSeconds(30))
            .withDescription("Time that SIGTERM and Ctrl-C give an embedded job to answer the lists in flight.");

    public static final ConfigOption<Integer> METRICS_PORT = ConfigOptions.key("metrics.port")
            .intType()
            .defaultValue(0)
            .withDescription("Port where the embedded Flink tells Prometheus its metrics; 0 means nowhere. A cluster"
                    + " has metrics.reporter.* for it.");

    public static final ConfigOption<String> METRICS_HOST = ConfigOptions.key("metrics.host")
            .stringType()
            .defaultValue("127.0.0.1")
            .withDescription("Address that metrics.port listens on; anything but loopback lets others read them.");

    // ---- files

    public static final ConfigOption<Integer> MAX_FILES = ConfigOptions.key("files.max-count")
            .intType()
            .defaultValue(100_000)
            .withDescription("A file backfill of more files is refused; their names are held in memory.");

    public static final ConfigOption<MemorySize> MAX_BLOCK_BYTES = ConfigOptions.key("files.max-block-bytes")
            .memoryType()
            .defaultValue(MemorySize.ofMebiBytes(64))
            .withDescription("An Avro file with a larger block, as it lies in the file or inflated, is refused; a block"
                    + " is held in memory.");

    public static final ConfigOption<MemorySize> MAX_INFLATED_BYTES = ConfigOptions.key("files.max-inflated-bytes")
            .memoryType()
            .defaultValue(MemorySize.parse("64 gb"))
            .withDescription(
                    "A gzip file that inflates to more is refused. It is never held as a whole, and a line above"
                            + " kafka.max-record-bytes is a dead letter.");

    // ---- the gateway

    public static final ConfigOption<Duration> GATEWAY_TIMEOUT = ConfigOptions.key("gateway.timeout")
            .durationType()
            .defaultValue(Duration.ofSeconds(30))
            .withDescription("From an HTTP request to its answer, else 504. The list's own deadline is a tenth, at most"
                    + " 2 s, earlier, so that what was scored in time is answered.");

    public static final ConfigOption<Integer> GATEWAY_REQUESTS = ConfigOptions.key("gateway.max-requests")
            .intType()
            .defaultValue(100)
            .withDescription("Requests that may be read or wait for their answer at once; more are told 429.");

    public static final ConfigOption<MemorySize> GATEWAY_BODY_BYTES = ConfigOptions.key("gateway.max-body-bytes")
            .memoryType()
            .defaultValue(MemorySize.ofMebiBytes(12))
            .withDescription("Larger request bodies are told 413. Base64 takes a third more than"
                    + " kafka.max-record-bytes, which holds as well.");

    public static final ConfigOption<MemorySize> GATEWAY_MEMORY = ConfigOptions.key("gateway.max-memory")
            .memoryType()
            .defaultValue(MemorySize.ZERO)
            .withDescription("Heap that requests may take together, counted as 4 bytes for a byte of a body and 256 for"
                    + " a JSON token; more are told 429 before they are read. 0 means a quarter of the heap.");

    public static final ConfigOption<Integer> GATEWAY_BODY_TOKENS = ConfigOptions.key("gateway.max-body-tokens")
            .intType()
            .defaultValue(200_000)
            .withDescription("A request body of more JSON tokens (names, values, brackets) is told 400.");

    public static final ConfigOption<List<String>> GATEWAY_HOSTS = ConfigOptions.key("gateway.allowed-hosts")
            .stringType()
            .asList()
            .defaultValues()
            .withDescription("Names, semicolon-separated, that requests may be for besides the address of --host, as a"
                    + " proxy in front passes them on: name, or name:port for another port than the gateway's. Pages"
                    + " of these names may call it, no others.");

    public static final ConfigOption<Duration> GATEWAY_HEARTBEAT = ConfigOptions.key("gateway.heartbeat-interval")
            .durationType()
            .defaultValue(Duration.ofSeconds(30))
            .withDescription("After so long without an answer in its topic the gateway sends an empty list; without an"
                    + " answer for twice as long it is not ready.");

    public static final ConfigOption<Integer> GATEWAY_CONNECTIONS = ConfigOptions.key("gateway.max-connections")
            .intType()
            .defaultValue(1000)
            .withDescription("Open HTTP connections; more are closed at once.");

    public static final ConfigOption<Duration> GATEWAY_READ_TIMEOUT = ConfigOptions.key("gateway.read-timeout")
            .durationType()
            .defaultValue(Duration.ofSeconds(30))
            .withDescription("How long a client may take to send its request, to take its answer, or to stay idle.");

    private RerankOptions() {}

    /** All options, in the order above. */
    public static List<ConfigOption<?>> all() {
        return Arrays.stream(RerankOptions.class.getFields())
                .filter(f -> Modifier.isStatic(f.getModifiers()) && f.getType() == ConfigOption.class)
                .<ConfigOption<?>>map(f -> {
                    try {
                        return (ConfigOption<?>) f.get(null);
                    } catch (IllegalAccessException e) {
                        throw new IllegalStateException(e);
                    }
                })
                .toList();
    }

    /** The option's description as plain text. */
    public static String describe(ConfigOption<?> option) {
        return option.description().getBlocks().stream()
                .map(block -> ((TextElement) block).getFormat())
                .collect(Collectors.joining(" "));
    }

    /** How answers are written. */
    public enum OutputFormat {
        AVRO,
        JSON
    }

    /** Which task managers may run the operators. */
    public enum Placement {
        ANY,
        GPU
    }

    /** What becomes of a process whose device has failed. */
    public enum OnDeath {
        FAIL,
        EXIT
    }

    /** What a failure does to answers. */
    public enum Delivery {
        AT_LEAST_ONCE,
        EXACTLY_ONCE;

        /** As in a configuration file. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }
    }

    /** Where a job without a checkpoint starts to read. */
    public enum StartingOffsets {
        COMMITTED,
        EARLIEST,
        LATEST
    }
}
