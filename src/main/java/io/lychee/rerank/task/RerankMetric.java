package io.lychee.rerank.task;

import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineCounters.Counter;
import io.lychee.rerank.scoring.Fallback;
import java.util.List;
import java.util.function.ToLongBiFunction;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Lists every metric of a rerank operator, in the order of {@code conf/METRICS.md}, which is written from here. Names,
 * units and labels are public API; the dashboard and the alerts in {@code conf/} use them.
 *
 * <p>An engine is shared by all rerank operators of a task manager and each shows its numbers: take their maximum by
 * task manager and device, never their sum.
 */
@SuppressWarnings("ImmutableEnumChecker") // its lists and functions never change
public enum RerankMetric {
    LISTS(counter("lists", "lists", "lane", "status"), "Lists answered, by status."),
    CANDIDATES(counter("candidates", "candidates", "lane"), "Candidates in these lists."),
    UNSCORED(
            counter("unscoredCandidates", "candidates", "lane", "reason"),
            "Candidates of answered lists that have no score, by reason."),
    DEADLINE_MISSES(
            counter("deadlineMisses", "lists", "lane"),
            "Lists answered at their deadline, before every candidate was scored."),
    LATENCY_TOTAL(
            counter("totalLatencyBucket", "lists", "lane", "le"),
            "Lists answered within le microseconds of their record's timestamp; cumulative, le grows by 1.2."),
    LATENCY_SCORE(
            counter("scoreLatencyBucket", "lists", "lane", "le"),
            "Lists whose passes took at most le microseconds; cumulative, le grows by 1.2."),
    LATENCY_STAGE(
            counter("latency", "microseconds", "lane", "stage"),
            "Time of answered lists by stage; the four stages add up to the total, and lists is the count."),
    DEAD_LETTERS(counter("deadLetters", "records", "lane", "reason"), "Records that could not be read, by reason."),
    UNKNOWN_FIELDS(counter("unknownFields", "fields", "lane"), "Fields of JSON records that no schema has; ignored."),
    IN_FLIGHT_BYTES(
            gauge("inFlightBytes", "bytes", "lane"),
            "Bytes of records taken and not answered yet; the source pauses above job.max-in-flight-bytes."),
    IMPLAUSIBLE_TIMESTAMPS(
            counter("implausibleTimestamps", "records", "lane"),
            "Records with a timestamp before 2000 or over an hour ahead, answered as if they had none."),
    QUEUED_LISTS(queueGauge("queuedLists", "lists", Engine.QueueSize::lists), "Lists taken and not answered yet."),
    QUEUED_PAIRS(
            queueGauge("queuedPairs", "candidates", Engine.QueueSize::candidates),
            "Their candidates that are neither scored nor rejected."),
    OLDEST_LIST(
            queueGauge("oldestListAge", "milliseconds", Engine.QueueSize::oldestMillis),
            "How long the oldest of these lists has been in the engine."),
    ENCODED_BYTES(
            engineGauge("encodedBytes", "bytes", Engine::encodedBytes), "Images and tokens that wait for the device."),
    PASSES(engineCounter("passes", "passes", Counter.PASSES), "Passes over the network."),
    PAIRS(engineCounter("pairs", "candidates", Counter.PAIRS), "Candidates scored."),
    TOKENS(
            engineCounter("tokens", "tokens", Counter.TOKENS),
            "Tokens the language model saw, those of images included; by passes it is their size."),
    VISION_TOKENS(engineCounter("visionTokens", "tokens", Counter.VISION_TOKENS), "Of these, tokens of images."),
    PREFIX_TOKENS_SAVED(
            engineCounter("prefixTokensSaved", "tokens", Counter.PREFIX_TOKENS_SAVED),
            "Tokens that were not computed because candidates of a list share its prefix."),
    IMAGES(engineCounter("images", "images", Counter.IMAGES), "Images in passes, each as often as it occurs."),
    IMAGE_HITS(
            engineCounter("imageCacheHits", "images", Counter.IMAGE_HITS),
            "Of these, images that the vision tower had seen (cache.vision.max-bytes)."),
    DECODED_HITS(
            engineCounter("decodedCacheHits", "images", Engine::decodedHits),
            "Images that needed no decoding because they had been decoded before (cache.images.max-bytes)."),
    SCORE_HITS(
            engineCounter("scoreCacheHits", "pairs", Counter.SCORE_HITS),
            "Pairs whose score was known (cache.scores.max-entries)."),
    PASS_TOKENS(
            engineGauge("passTokensLimit", "tokens", Engine::passTokens),
            "What a pass may hold now: pass.max-tokens, or less after the device's memory did not suffice."),
    BUSY(
            engineCounter(
                    "busyTime", "milliseconds", engine -> engine.counters().get(Counter.BUSY_NANOS) / 1_000_000),
            "Time the device spent on passes; its rate by 1000 is the share of the time it works."),
    OUT_OF_MEMORY(
            engineCounter("outOfMemory", "passes", Counter.MEMORY_FAILURES),
            "Passes, and parts of passes, that did not fit the device's memory."),
    ENCODED(engineCounter("encoded", "texts", Counter.ENCODED), "Queries and candidates encoded."),
    ENCODE_TIME(
            engineCounter(
                    "encodeTime", "microseconds", engine -> engine.counters().get(Counter.ENCODE_NANOS) / 1000),
            "Time of encoding threads that took."),
    FETCHES(
            engineCounter("fetches", "images", engine -> engine.fetches().count()),
            "Images fetched by reference, well or not; tries and redirects count as one."),
    FETCH_FAILURES(
            engineCounter("fetchFailures", "images", engine -> engine.fetches().failures()),
            "Of these, images that could not be had."),
    FETCH_BYTES(engineCounter("fetchBytes", "bytes", engine -> engine.fetches().bytes()), "Bytes of fetched images."),
    FETCH_TIME(
            engineCounter(
                    "fetchTime", "microseconds", engine -> engine.fetches().nanos() / 1000),
            "Time from asking for an image to having it, or to giving up."),
    CPU_FALLBACK(
            engineGauge("cpuFallback", "0 or 1", fellBack(Fallback.CPU)),
            "1 where model.device is auto and no GPU was found."),
    ATTENTION_FALLBACK(
            engineGauge("attentionFallback", "0 or 1", fellBack(Fallback.ATTENTION)),
            "1 where a GPU runs plain attention: own attention and FlashAttention are missing or failed their check."),
    KERNELS_FALLBACK(
            engineGauge("kernelsFallback", "0 or 1", fellBack(Fallback.KERNELS)),
            "1 where a GPU runs PyTorch's operations, because own kernels didn't compile or failed their check."),
    ENGINE_DEATHS(counter("engineDeaths", "engines"), "Engines of this process whose device failed.");

    /** Kind of a metric; Flink's reporter calls both a gauge. */
    enum Kind {
        COUNTER,
        GAUGE
    }

    /** The group of the operator that holds them all. */
    static final String GROUP = "rerank";

    /** Prefix that Flink gives an operator's metrics. */
    static final String SCOPE = "flink_taskmanager_job_task_operator_";

    /** Last part of its name, behind those of its labels. */
    public final String metric;

    final Kind kind;
    final String unit;
    /** One sentence. */
    final String meaning;
    /** Names of its labels, besides those that Flink gives. */
    final List<String> labels;
    /** Reads it from an engine; null for what the operator counts itself. */
    final @Nullable ToLongBiFunction<Engine, Lane> value;

    /** All of a metric but its meaning. */
    private record Form(
            Kind kind,
            String metric,
            String unit,
            @Nullable ToLongBiFunction<Engine, Lane> value,
            List<String> labels) {}

    RerankMetric(Form form, String meaning) {
        this.metric = form.metric;
        this.kind = form.kind;
        this.unit = form.unit;
        this.value = form.value;
        this.labels = form.labels;
        this.meaning = meaning;
    }

    private static Form counter(String metric, String unit, String... labels) {
        return new Form(Kind.COUNTER, metric, unit, null, List.of(labels));
    }

    private static Form gauge(String metric, String unit, String... labels) {
        return new Form(Kind.GAUGE, metric, unit, null, List.of(labels));
    }

    private static Form engineCounter(String metric, String unit, Counter counter) {
        return engineCounter(metric, unit, engine -> engine.counters().get(counter));
    }

    private static Form engineCounter(String metric, String unit, ToLongFunction<Engine> value) {
        return new Form(Kind.COUNTER, metric, unit, (engine, lane) -> value.applyAsLong(engine), List.of("device"));
    }

    private static Form engineGauge(String metric, String unit, ToLongFunction<Engine> value) {
        return new Form(Kind.GAUGE, metric, unit, (engine, lane) -> value.applyAsLong(engine), List.of("device"));
    }

    private static ToLongFunction<Engine> fellBack(Fallback fallback) {
        return engine -> engine.fallbacks().contains(fallback) ? 1 : 0;
    }

    private static Form queueGauge(String metric, String unit, ToLongFunction<Engine.QueueSize> value) {
        return new Form(
                Kind.GAUGE,
                metric,
                unit,
                (engine, lane) -> value.applyAsLong(engine.queue(lane)),
                List.of("device", "lane"));
    }

    /** Returns its name in Prometheus, behind the operator's scope. */
    String prometheusName() {
        return SCOPE + GROUP + "_" + labels.stream().map(label -> label + "_").collect(Collectors.joining()) + metric;
    }
}
