package io.lychee.rerank.bench;

import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.scoring.EngineCounters;
import io.lychee.rerank.scoring.EngineCounters.Counter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Promises in time, each measured against a pipeline that runs. */
enum BenchScenario {
    LANES(50) {
        @Override
        List<Promise> run(BenchPipeline pipeline, double scale, Map<String, Object> figures) throws Exception {
            Alone alone = alone(pipeline, figures);
            double rate = TENTH / alone.deviceSeconds();
            Duration idleTime = minutes(2, scale);
            BenchLoad idle = pipeline.poisson("realtime alone", Lane.REALTIME, rate, idleTime);
            pipeline.await("realtime alone", idle, BenchPipelineCommand.PATIENCE);

            BenchLoad backlog = pipeline.burst(Lane.BACKFILL, (int) (20_000 * scale), null);
            pipeline.pass("backfill starts", backlog, Duration.ofSeconds(5));
            Duration backfillTime = minutes(1.5, scale);
            EngineCounters before = pipeline.engine.counters().copy();
            long start = System.nanoTime();
            pipeline.pass("backfill alone", backlog, backfillTime);
            double backfillAlone = backlog.rate(start, System.nanoTime());
            EngineCounters after = pipeline.engine.counters().copy();
            double pass = (after.get(Counter.BUSY_NANOS) - before.get(Counter.BUSY_NANOS))
                    / 1e6
                    / (after.get(Counter.PASSES) - before.get(Counter.PASSES));

            Duration bothTime = minutes(3, scale);
            start = System.nanoTime();
            BenchLoad realtime = pipeline.poisson("both lanes", Lane.REALTIME, rate, bothTime);
            double backfillBoth = backlog.rate(start, System.nanoTime());
            pipeline.await("both lanes", realtime, BenchPipelineCommand.PATIENCE);
            figures.put("realtime_alone", idle.figures(idleTime));
            figures.put("realtime_beside_backfill", realtime.figures(bothTime));
            figures.put("backfill_alone_per_second", BenchOutput.round(backfillAlone));
            figures.put("backfill_beside_realtime_per_second", BenchOutput.round(backfillBoth));
            figures.put("backfill_left", backlog.unanswered());
            figures.put("backfill_pass_ms", BenchOutput.round(pass));
            return List.of(
                    Promise.atMost(
                            "realtime p99 beside a backlog: twice its p99 alone, and a pass (ms)",
                            realtime.clientMillis(0.99),
                            2 * idle.clientMillis(0.99) + pass),
                    Promise.atMost(
                            "backfill lost while realtime uses 10 % of the device (%)",
                            100 * (1 - backfillBoth / backfillAlone), 15),
                    Promise.none("realtime lists without answer", realtime.unanswered()),
                    Promise.none("seconds without backlog", backlog.unanswered() == 0 ? 1 : 0));
        }
    },

    OVERLOAD(50) {
        @Override
        List<Promise> run(BenchPipeline pipeline, double scale, Map<String, Object> figures) throws Exception {
            double capacity = capacity(pipeline, figures);
            double deadline = pipeline.config.lanes().realtimeTimeout().toMillis();
            Duration overloadTime = minutes(2, scale);
            EngineCounters before = pipeline.engine.counters().copy();
            BenchLoad overload = pipeline.poisson("overload", Lane.REALTIME, 2 * capacity, overloadTime);
            long end = System.nanoTime();
            EngineCounters loaded = pipeline.engine.counters().copy();
            figures.put("engine", BenchPipelineCommand.engine(before, loaded, overloadTime.toMillis() / 1e3));
            Duration afterTime = Duration.ofSeconds(10 + Math.max(10, Math.round(30 * scale)));
            BenchLoad after = pipeline.poisson("after it", Lane.REALTIME, capacity / 2, afterTime);
            pipeline.await("after it", after, BenchPipelineCommand.PATIENCE);
            pipeline.await("overload", overload, BenchPipelineCommand.PATIENCE);
            figures.put("deadline_ms", deadline);
            figures.put("overload", overload.figures(overloadTime));
            figures.put("after_it", after.figures(afterTime));
            return List.of(
                    Promise.atMost(
                            "99 % answered within deadline + 100 ms (ms)", overload.clientMillis(0.99), deadline + 100),
                    Promise.atMost("all within deadline + 500 ms (ms)", overload.clientMillis(1), deadline + 500),
                    Promise.none("lists without answer", overload.unanswered() + after.unanswered()),
                    Promise.none(
                            "lists not COMPLETE that came later than 10 s after the end",
                            after.answers().stream()
                                    .filter(a -> a.asked() > end + 10_000_000_000L)
                                    .filter(a -> a.status() != ListStatus.COMPLETE)
                                    .count()));
        }
    },

    LATENCY(50) {
        @Override
        List<Promise> run(BenchPipeline pipeline, double scale, Map<String, Object> figures) throws Exception {
            double capacity = capacity(pipeline, figures);
            double alone = alone(pipeline, figures).clientMillis();
            List<Promise> promises = new ArrayList<>();
            double[][] loads = {{0.6, 6.5}, {0.3, 4}};
            for (double[] load : loads) {
                String what = Math.round(100 * load[0]) + " % of the capacity";
                Duration time = minutes(5, scale);
                BenchLoad answers = pipeline.poisson(what, Lane.REALTIME, load[0] * capacity, time);
                pipeline.await(what, answers, BenchPipelineCommand.PATIENCE);
                figures.put(what, answers.figures(time));
                promises.add(Promise.atMost(
                        "p99 at %s, in times of a list alone (M/D/1: %.1f)".formatted(what, md1(load[0], 0.99)),
                        answers.clientMillis(0.99) / alone,
                        load[1]));
                promises.add(Promise.none("lists without answer", answers.unanswered()));
            }
            return promises;
        }
    },

    SINGLE_PAIRS(1) {
        @Override
        List<Promise> run(BenchPipeline pipeline, double scale, Map<String, Object> figures) throws Exception {
            pipeline.warmUp(BenchPipelineCommand.PATIENCE);
            Duration time = minutes(8, scale);
            EngineCounters before = pipeline.engine.counters().copy();
            BenchLoad pairs = pipeline.poisson("single pairs", Lane.REALTIME, 50, time);
            EngineCounters after = pipeline.engine.counters().copy();
            pipeline.await("single pairs", pairs, BenchPipelineCommand.PATIENCE);
            figures.put("single_pairs", pairs.figures(time));
            figures.put("engine", BenchPipelineCommand.engine(before, after, time.toMillis() / 1e3));
            return List.of(
                    Promise.atMost(
                            "p99 of a pair at 50 a second; the original claims 420 for one alone (ms)",
                            pairs.clientMillis(0.99),
                            420),
                    Promise.none("lists without answer", pairs.unanswered()));
        }
    };

    private static final double TENTH = 0.1;
    private static final int ALONE_LISTS = 100;
    private static final double CAPACITY_SECONDS = 20;

    private final int candidates;

    BenchScenario(int candidates) {
        this.candidates = candidates;
    }

    /** What was promised and what was measured. */
    record Promise(String what, double measured, double promised, boolean kept) {

        static Promise atMost(String what, double measured, double promised) {
            return new Promise(what, BenchOutput.round(measured), BenchOutput.round(promised), measured <= promised);
        }

        static Promise none(String what, long count) {
            return new Promise(what, count, 0, count == 0);
        }

        @Override
        public String toString() {
            return "%s  %s: %s, promised at most %s".formatted(kept ? "PASS" : "MISS", what, measured, promised);
        }
    }

    /** The lists of this scenario. */
    BenchLists.Shape shape() {
        return new BenchLists.Shape(candidates, 0, 0);
    }

    /** @param figures takes what was measured on the way */
    abstract List<Promise> run(BenchPipeline pipeline, double scale, Map<String, Object> figures) throws Exception;

    /** As typed: {@code single-pairs}. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private static Duration minutes(double minutes, double scale) {
        return Duration.ofMillis(Math.round(minutes * scale * 60_000));
    }

    /** What a list takes that has everything for itself: as the client sees it (median), and on the device. */
    private record Alone(double clientMillis, double deviceSeconds) {}

    private static Alone alone(BenchPipeline pipeline, Map<String, Object> figures) throws Exception {
        pipeline.warmUp(BenchPipelineCommand.PATIENCE);
        EngineCounters before = pipeline.engine.counters().copy();
        BenchLoad load = pipeline.oneByOne("one by one", ALONE_LISTS, BenchPipelineCommand.PATIENCE);
        EngineCounters after = pipeline.engine.counters().copy();
        Alone alone = new Alone(
                load.clientMillis(0.5),
                (after.get(Counter.BUSY_NANOS) - before.get(Counter.BUSY_NANOS)) / 1e9 / ALONE_LISTS);
        figures.put("list_alone_ms", BenchOutput.round(alone.clientMillis));
        figures.put("list_alone_on_device_ms", BenchOutput.round(1000 * alone.deviceSeconds));
        return alone;
    }

    /** Lists a second when the next ones always wait: the middle of a burst. */
    private static double capacity(BenchPipeline pipeline, Map<String, Object> figures) throws Exception {
        double alone = alone(pipeline, figures).deviceSeconds;
        int lists = Math.max(200, (int) (CAPACITY_SECONDS / alone));
        EngineCounters before = pipeline.engine.counters().copy();
        BenchLoad burst = pipeline.burst(Lane.REALTIME, lists, BenchPipelineCommand.PATIENCE.toMillis());
        long start = System.nanoTime();
        pipeline.await("capacity", burst, BenchPipelineCommand.PATIENCE);
        figures.put(
                "at_capacity",
                BenchPipelineCommand.engine(
                        before, pipeline.engine.counters().copy(), (System.nanoTime() - start) / 1e9));
        long[] ends = burst.answers().stream()
                .mapToLong(a -> a.asked() + a.took() * 1000)
                .sorted()
                .toArray();
        double capacity = burst.rate(ends[ends.length / 10], ends[ends.length * 9 / 10]);
        figures.put("capacity_per_second", BenchOutput.round(capacity));
        return capacity;
    }

    /** Time in a queue with random arrivals and one service time, service included, in service times: M/D/1. */
    static double md1(double load, double quantile) {
        double low = 0;
        double high = 20; // waits beyond are rare below a load of 0.8, and the sum loses digits
        while (high - low > 1e-6) {
            double middle = (low + high) / 2;
            if (md1Waiting(load, middle) < quantile) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return 1 + low;
    }

    /** Probability to wait at most {@code time}, by Crommelin's formula. */
    private static double md1Waiting(double load, double time) {
        double sum = 0;
        double factorial = 1;
        for (int k = 0; k <= time; k++) {
            factorial *= Math.max(1, k);
            double x = load * (time - k);
            sum += Math.pow(-x, k) / factorial * Math.exp(x);
        }
        return (1 - load) * sum;
    }
}
