package io.lychee.rerank.operator;

import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.scoring.EngineStats;
import java.util.List;
import java.util.function.ToLongBiFunction;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Every metric of a rerank operator, in the order of {@code conf/METRICS.md}, which is written from here. Names, units
 * and labels are public API; the dashboard and the alerts in {@code conf/} use them.
 *
 * <p>Those of the engine are read from {@link EngineStats} when somebody asks; adding one is a line here. An engine is
 * shared by all rerank operators of a task manager and each shows its numbers, so take their maximum by task manager
 * and device, never their sum.
 */
@SuppressWarnings("ImmutableEnumChecker") // its lists and functions never change
enum RerankMetric {
    LISTS("lists", Kind.COUNTER, "lists", "Lists answered, by status.", "lane", "status"),
    CANDIDATES("candidates", Kind.COUNTER, "candidates", "Candidates in these lists.", "lane"),
    UNSCORED(
            "unscoredCandidates",
            Kind.COUNTER,
            "candidates",
            "Candidates of answered lists that have no score, by reason.",
            "lane",
            "reason"),
    DEADLINE_MISSES(
            "deadlineMisses",
            Kind.COUNTER,
            "lists",
            "Lists answered at their deadline, before every candidate was scored.",
            "lane"),
    LATENCY_TOTAL(
            "totalLatencyBucket",
            Kind.COUNTER,
            "lists",
            "Lists answered within le microseconds of their record's timestamp; cumulative, le grows by 1.2.",
            "lane",
            "le"),
    LATENCY_SCORE(
            "scoreLatencyBucket",
            Kind.COUNTER,
            "lists",
            "Lists whose passes took at most le microseconds; cumulative, le grows by 1.2.",
            "lane",
            "le"),
    LATENCY_STAGE(
            "latency",
            Kind.COUNTER,
            "microseconds",
            "Time of answered lists by stage; the four stages add up to the total, and lists is the count.",
            "lane",
            "stage"),
    DEAD_LETTERS(
            "deadLetters", Kind.COUNTER, "records", "Records that could not be read, by reason.", "lane", "reason"),
    UNKNOWN_FIELDS(
            "unknownFields", Kind.COUNTER, "fields", "Fields of JSON records that no schema has; ignored.", "lane"),
    IN_FLIGHT_BYTES(
            "inFlightBytes",
            Kind.GAUGE,
            "bytes",
            "Bytes of records taken and not answered yet; the source pauses above job.max-in-flight-bytes.",
            "lane"),
    IMPLAUSIBLE_TIMESTAMPS(
            "implausibleTimestamps",
            Kind.COUNTER,
            "records",
            "Records with a timestamp before 2000 or over an hour ahead, answered as if they had none.",
            "lane"),

    QUEUED_LISTS(
            "queuedLists",
            Kind.GAUGE,
            "lists",
            "Lists taken and not answered yet.",
            (s, lane) -> s.queue(lane).lists()),
    QUEUED_PAIRS(
            "queuedPairs",
            Kind.GAUGE,
            "candidates",
            "Their candidates that are neither scored nor rejected.",
            (s, lane) -> s.queue(lane).pairs()),
    OLDEST_LIST(
            "oldestListAge",
            Kind.GAUGE,
            "milliseconds",
            "How long the oldest of these lists has been in the engine.",
            (s, lane) -> s.queue(lane).oldestMillis()),
    ENCODED_BYTES(
            "encodedBytes",
            Kind.GAUGE,
            "bytes",
            "Images and tokens that wait for the device.",
            EngineStats::encodedBytes),
    PASSES("passes", Kind.COUNTER, "passes", "Passes over the network.", EngineStats::passes),
    PAIRS("pairs", Kind.COUNTER, "candidates", "Candidates scored.", EngineStats::pairs),
    TOKENS(
            "tokens",
            Kind.COUNTER,
            "tokens",
            "Tokens the language model saw, those of images included; by passes it is their size.",
            EngineStats::tokens),
    VISION_TOKENS("visionTokens", Kind.COUNTER, "tokens", "Of these, tokens of images.", EngineStats::visionTokens),
    PREFIX_TOKENS_SAVED(
            "prefixTokensSaved",
            Kind.COUNTER,
            "tokens",
            "Tokens that were not computed because candidates of a list share its prefix.",
            EngineStats::prefixTokensSaved),
    IMAGES("images", Kind.COUNTER, "images", "Images in passes, each as often as it occurs.", EngineStats::images),
    IMAGE_HITS(
            "imageCacheHits",
            Kind.COUNTER,
            "images",
            "Of these, images that the vision tower had seen (cache.vision.max-bytes).",
            EngineStats::imageHits),
    DECODED_HITS(
            "decodedCacheHits",
            Kind.COUNTER,
            "images",
            "Images that needed no decoding because they had been decoded before (cache.images.max-bytes).",
            EngineStats::decodedHits),
    SCORE_HITS(
            "scoreCacheHits",
            Kind.COUNTER,
            "pairs",
            "Pairs whose score was known (cache.scores.max-entries).",
            EngineStats::scoreHits),
    PASS_TOKENS(
            "passTokensLimit",
            Kind.GAUGE,
            "tokens",
            "What a pass may hold now: pass.max-tokens, or less after the device's memory did not suffice.",
            EngineStats::passTokens),
    BUSY(
            "busyTime",
            Kind.COUNTER,
            "milliseconds",
            "Time the device spent on passes; its rate by 1000 is the share of the time it works.",
            s -> s.busyNanos() / 1_000_000),
    OUT_OF_MEMORY(
            "outOfMemory",
            Kind.COUNTER,
            "passes",
            "Passes, and parts of passes, that did not fit the device's memory.",
            EngineStats::memoryFailures),
    ENCODED("encoded", Kind.COUNTER, "texts", "Queries and candidates encoded.", EngineStats::encoded),
    ENCODE_TIME(
            "encodeTime",
            Kind.COUNTER,
            "microseconds",
            "Time of encoding threads that took.",
            s -> s.encodeNanos() / 1000),
    FETCHES(
            "fetches",
            Kind.COUNTER,
            "images",
            "Images fetched by reference, well or not; tries and redirects count as one.",
            s -> s.fetches().count()),
    FETCH_FAILURES(
            "fetchFailures",
            Kind.COUNTER,
            "images",
            "Of these, images that could not be had.",
            s -> s.fetches().failures()),
    FETCH_BYTES(
            "fetchBytes",
            Kind.COUNTER,
            "bytes",
            "Bytes of fetched images.",
            s -> s.fetches().bytes()),
    FETCH_TIME(
            "fetchTime",
            Kind.COUNTER,
            "microseconds",
            "Time from asking for an image to having it, or to giving up.",
            s -> s.fetches().nanos() / 1000),
    ENGINE_DEATHS("engineDeaths", Kind.COUNTER, "engines", "Engines of this process whose device failed.");

    /** How it behaves; Flink's reporter calls both a gauge. */
    enum Kind {
        COUNTER,
        GAUGE
    }

    /** The group of the operator that holds them all. */
    static final String GROUP = "rerank";

    /** Where Flink puts an operator's metrics. */
    static final String SCOPE = "flink_taskmanager_job_task_operator_";

    private final String metric;
    private final Kind kind;
    private final String unit;
    private final String meaning;
    private final List<String> labels;
    private final @Nullable ToLongBiFunction<EngineStats, Lane> value;

    RerankMetric(String metric, Kind kind, String unit, String meaning, String... labels) {
        this(metric, kind, unit, meaning, null, labels);
    }

    RerankMetric(String metric, Kind kind, String unit, String meaning, ToLongFunction<EngineStats> value) {
        this(metric, kind, unit, meaning, (stats, lane) -> value.applyAsLong(stats), "device");
    }

    RerankMetric(String metric, Kind kind, String unit, String meaning, ToLongBiFunction<EngineStats, Lane> value) {
        this(metric, kind, unit, meaning, value, "device", "lane");
    }

    RerankMetric(
            String metric,
            Kind kind,
            String unit,
            String meaning,
            @Nullable ToLongBiFunction<EngineStats, Lane> value,
            String... labels) {
        this.metric = metric;
        this.kind = kind;
        this.unit = unit;
        this.meaning = meaning;
        this.value = value;
        this.labels = List.of(labels);
    }

    /** Its last name; those of its labels and of the operator come before. */
    String metric() {
        return metric;
    }

    Kind kind() {
        return kind;
    }

    String unit() {
        return unit;
    }

    /** One sentence. */
    String meaning() {
        return meaning;
    }

    /** Names of its labels, besides those that Flink gives. */
    List<String> labels() {
        return labels;
    }

    /** How to read it from the engine; null for what the operator counts itself. */
    @Nullable
    ToLongBiFunction<EngineStats, Lane> value() {
        return value;
    }

    /** As Prometheus calls it, behind the operator's scope. */
    String prometheusName() {
        return SCOPE + GROUP + "_" + labels.stream().map(label -> label + "_").collect(Collectors.joining()) + metric;
    }
}
