package io.lychee.rerank.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.OperatingSystemMXBean;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.job.QwenEngines;
import io.lychee.rerank.scoring.Arrival;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineStats;
import java.lang.management.ManagementFactory;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code ./lychee bench}: measurements. */
@Command(
        name = "bench",
        description = "Measures parts of the job.",
        subcommands = {BenchCommand.EngineCommand.class, BenchPreprocessCommand.class, BenchPipelineCommand.class})
final class BenchCommand {

    /** {@code ./lychee bench engine}: encoder, schedule and network, without broker and Flink. */
    @Command(
            name = "engine",
            description = "Reranks the demo shop's lists over and over, as the job does, without broker and Flink.")
    static final class EngineCommand implements Callable<Integer> {

        /** Enough that the device never waits for lists, few enough that latencies mean something. */
        private static final int IN_FLIGHT = 8;

        @Mixin
        private final ConfigOptions options = new ConfigOptions();

        @Option(names = "--lists", defaultValue = "60", description = "How many to measure. Default: ${DEFAULT-VALUE}")
        private int lists;

        @Option(names = "--warm-up", defaultValue = "10", description = "How many before. Default: ${DEFAULT-VALUE}")
        private int warmUp;

        @Option(names = "--json", description = "The figures as JSON on standard output.")
        private boolean json;

        @Override
        public Integer call() throws Exception {
            if (lists < 1 || warmUp < 0) {
                throw new ConfigException(
                        "--lists is " + lists + ", --warm-up " + warmUp + "; expected at least 1 and at least 0");
            }
            DemoShop shop = DemoShop.load();
            RerankConfig config = options.load(shop.defaults(), Map.of());
            try (Engine engine = new QwenEngines(config).open()) {
                run(engine, shop.lists(), warmUp);
                EngineStats before = engine.stats();
                long cpu = cpuNanos();
                long start = System.nanoTime();
                long scored = run(engine, shop.lists(), lists);
                double seconds = (System.nanoTime() - start) / 1e9;
                report(engine, before, scored, seconds, (cpuNanos() - cpu) / 1e9);
            }
            return 0;
        }

        private static long cpuNanos() {
            return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
        }

        /** @return how many candidates were scored */
        private static long run(Engine engine, List<CandidateList> lists, int count)
                throws InterruptedException, ExecutionException {
            Queue<CompletableFuture<RerankedList>> inFlight = new ArrayDeque<>();
            long scored = 0;
            for (int i = 0; i < count || !inFlight.isEmpty(); i++) {
                if (i < count) {
                    Arrival arrival = new Arrival(Lane.BACKFILL, -1, System.currentTimeMillis());
                    inFlight.add(engine.submit(lists.get(i % lists.size()), arrival));
                }
                if (i >= count || inFlight.size() == IN_FLIGHT) {
                    RerankedList answer = inFlight.remove().get();
                    scored += answer.results().stream()
                            .filter(c -> c.status() == CandidateStatus.SCORED)
                            .count();
                }
            }
            return scored;
        }

        private void report(Engine engine, EngineStats before, long scored, double seconds, double cpuSeconds)
                throws Exception {
            EngineStats stats = engine.stats();
            long pairs = stats.pairs() - before.pairs();
            Map<String, Object> figures = new LinkedHashMap<>();
            figures.put("model", engine.model().name());
            figures.put("lists", lists);
            figures.put("pairs", scored);
            figures.put("seconds", round(seconds));
            figures.put("pairs_per_second", round(scored / seconds));
            figures.put("cores", Runtime.getRuntime().availableProcessors());
            figures.put("cpu_seconds", round(cpuSeconds));
            figures.put("pairs_per_core_second", round(scored / cpuSeconds));
            figures.put("tokens_per_pair", round((double) (stats.tokens() - before.tokens()) / pairs));
            figures.put("pairs_per_pass", round((double) pairs / (stats.passes() - before.passes())));
            figures.put("device_busy", round((stats.busyNanos() - before.busyNanos()) / 1e9 / seconds));
            if (json) {
                System.out.println(new ObjectMapper().writeValueAsString(figures));
            } else {
                figures.forEach((name, value) -> System.out.printf("%-22s %s%n", name, value));
            }
        }

        private static double round(double value) {
            return Math.round(value * 100) / 100.0;
        }
    }
}
