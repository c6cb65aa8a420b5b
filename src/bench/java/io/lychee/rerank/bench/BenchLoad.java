package io.lychee.rerank.bench;

import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.Latency;
import io.lychee.rerank.domain.ListStatus;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToLongFunction;

/** What was sent at one rate on one lane, and what came back. Thread-safe. */
final class BenchLoad {

    /**
     * A list that was answered.
     *
     * @param asked when it was due to be sent, nanoseconds of this process
     * @param took from then until the client had the answer, microseconds
     */
    record Answered(long asked, long took, ListStatus status, Latency latency) {}

    final Lane lane;
    private final List<Answered> answered = new ArrayList<>();
    private int sent;
    private long latestSent;

    BenchLoad(Lane lane) {
        this.lane = lane;
    }

    /** @param late how much later than due, nanoseconds */
    synchronized void sent(long late) {
        sent++;
        latestSent = Math.max(latestSent, late);
    }

    synchronized void answered(Answered answer) {
        answered.add(answer);
    }

    synchronized int sent() {
        return sent;
    }

    synchronized int unanswered() {
        return sent - answered.size();
    }

    synchronized List<Answered> answers() {
        return List.copyOf(answered);
    }

    /** Answers a second that reached the client between two moments, nanoseconds of this process. */
    double rate(long from, long to) {
        long count = answers().stream()
                .mapToLong(a -> a.asked + a.took * 1000)
                .filter(end -> end >= from && end < to)
                .count();
        return count / ((to - from) / 1e9);
    }

    /** What a client saw, milliseconds. */
    double clientMillis(double quantile) {
        return quantile(answers(), Answered::took, quantile);
    }

    Map<String, Object> figures(Duration duration) {
        List<Answered> answers = answers();
        Map<String, Object> figures = new LinkedHashMap<>();
        figures.put("lists", sent());
        figures.put("unanswered", unanswered());
        figures.put("asked_per_second", BenchOutput.round(sent() / (duration.toMillis() / 1e3)));
        if (!answers.isEmpty()) {
            long from = answers.stream().mapToLong(Answered::asked).min().orElseThrow();
            figures.put("answered_per_second", BenchOutput.round(rate(from, from + duration.toNanos())));
        }
        figures.put("sender_latest_ms", BenchOutput.round(latestSent / 1e6));
        for (ListStatus status : ListStatus.values()) {
            figures.put(
                    status.name().toLowerCase(Locale.ROOT),
                    answers.stream().filter(a -> a.status == status).count());
        }
        Map<String, Object> stages = new LinkedHashMap<>();
        stages.put("source", quantiles(answers, a -> a.latency.source()));
        stages.put("encode", quantiles(answers, a -> a.latency.encode()));
        stages.put("queue", quantiles(answers, a -> a.latency.queue()));
        stages.put("score", quantiles(answers, a -> a.latency.score()));
        stages.put("total", quantiles(answers, a -> a.latency.total()));
        stages.put("answered_to_client", quantiles(answers, a -> a.took - a.latency.total()));
        stages.put("client", quantiles(answers, Answered::took));
        figures.put("milliseconds", stages);
        return figures;
    }

    private static Map<String, Object> quantiles(List<Answered> answers, ToLongFunction<Answered> micros) {
        Map<String, Object> quantiles = new LinkedHashMap<>();
        quantiles.put("p50", BenchOutput.round(quantile(answers, micros, 0.5)));
        quantiles.put("p90", BenchOutput.round(quantile(answers, micros, 0.9)));
        quantiles.put("p99", BenchOutput.round(quantile(answers, micros, 0.99)));
        quantiles.put("max", BenchOutput.round(quantile(answers, micros, 1)));
        return quantiles;
    }

    /**
     * Milliseconds; the smallest value that is not below a share of {@code quantile} of them, 0 where there is none.
     */
    private static double quantile(List<Answered> answers, ToLongFunction<Answered> micros, double quantile) {
        long[] sorted = answers.stream().mapToLong(micros).sorted().toArray();
        return sorted.length == 0 ? 0 : sorted[(int) Math.ceil(quantile * sorted.length) - 1] / 1e3;
    }
}
