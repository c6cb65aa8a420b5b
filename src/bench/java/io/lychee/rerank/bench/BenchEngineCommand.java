package io.lychee.rerank.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.OperatingSystemMXBean;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.Families;
import io.lychee.rerank.checkpoint.Family;
import io.lychee.rerank.cli.ConfigOptions;
import io.lychee.rerank.cli.DemoShop;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.RejectedException;
import io.lychee.rerank.domain.ScoredList;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.prompt.QwenEncoder;
import io.lychee.rerank.qwen.BenchHooks;
import io.lychee.rerank.qwen.QwenScorer;
import io.lychee.rerank.scoring.Arrival;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.EngineCounters;
import io.lychee.rerank.scoring.EngineCounters.Counter;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.IntFunction;
import org.apache.flink.util.FileUtils;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code ./lychee bench engine}: encoder, schedule and network as the job uses them, without broker and Flink. */
@Command(
        name = "engine",
        description =
                "Reranks lists as the job does, without broker and Flink: the demo shop's, or with --shape made-up"
                        + " ones with a network of a published size whose weights mean nothing.")
final class BenchEngineCommand implements Callable<Integer> {

    /** Enough that the device never waits for lists, few enough that latencies mean something. */
    private static final int IN_FLIGHT = 8;

    /** The demo shop's lists and pictures come again and again. */
    private static final Map<String, String> UNCACHED = Map.of(
            ConfigKeys.CACHE_SCORES, "0",
            ConfigKeys.CACHE_IMAGES, "0",
            ConfigKeys.CACHE_VISION, "0");

    @Mixin
    private final ConfigOptions options = new ConfigOptions();

    @Option(names = "--shape", description = "7b, 3b, qwen3-2b, qwen3-8b or tiny: random weights of this size, made on the device.")
    private @Nullable String shape;

    @Option(
            names = "--workload",
            split = ",",
            defaultValue = "text,image,both,cached",
            description =
                    "With --shape: text, image (text query, image candidates), both (image and text on both sides),"
                            + " cached (the last, 90 %% of the candidates' images seen before)."
                            + " Default: ${DEFAULT-VALUE}")
    private List<String> workloads = List.of();

    @Option(names = "--candidates", defaultValue = "100", description = "A list. Default: ${DEFAULT-VALUE}")
    private int candidates;

    @Option(names = "--lists", defaultValue = "30", description = "How many to measure. Default: ${DEFAULT-VALUE}")
    private int lists;

    @Option(names = "--warm-up", defaultValue = "10", description = "How many before. Default: ${DEFAULT-VALUE}")
    private int warmUp;

    @Option(names = "--seed", defaultValue = "1", description = "Of made-up lists. Default: ${DEFAULT-VALUE}")
    private long seed;

    @Option(names = "--json", description = "The figures as JSON lines on standard output.")
    private boolean json;

    @Override
    public Integer call() throws Exception {
        if (lists < 1 || warmUp < 0 || candidates < 1) {
            throw new ConfigException("--lists is %d, --warm-up %d, --candidates %d; expected at least 1, 0 and 1"
                    .formatted(lists, warmUp, candidates));
        }
        DemoShop shop = DemoShop.load();
        RerankConfig config = options.load(shop.defaults(), UNCACHED);
        PassTrace trace = new PassTrace();
        if (shape == null) {
            try (Engine engine = new QwenEngineFactory(config)
                    .open(encoder -> trace.around(QwenScorer.open(
                            config.model(),
                            config.model().device(),
                            new QwenEngineFactory(config).bounds(),
                            encoder.yesId(),
                            encoder.noId(),
                            progress -> {})))) {
                Map<String, Object> figures = new LinkedHashMap<>();
                figures.put("model", engine.model().name());
                run(engine, trace, i -> shop.lists().get(i % shop.lists().size()), figures);
                report(figures);
            }
            return 0;
        }
        Path checkpoint = Files.createTempDirectory(Path.of(System.getProperty("java.io.tmpdir")), "lychee-bench");
        try {
            return runMadeUp(
                    options.load(
                            shop.defaults(),
                            Map.of(ConfigKeys.CHECKPOINT, made(config, checkpoint), ConfigKeys.CACHE_SCORES, "0")),
                    trace);
        } finally {
            FileUtils.deleteDirectory(checkpoint.toFile());
        }
    }

    /** The checkpoint without weights, with the limits of the published one on images. */
    private static String made(RerankConfig config, Path directory) throws IOException {
        Path source = Path.of(config.model().checkpoint());
        for (String name : List.of("config.json", "tokenizer.json")) {
            Files.copy(source.resolve(name), directory.resolve(name));
        }
        ObjectMapper mapper = new ObjectMapper();
        ObjectNode preprocessor = (ObjectNode)
                mapper.readTree(source.resolve("preprocessor_config.json").toFile());
        preprocessor.remove("size");
        Family family = Families.of(CheckpointFiles.of(source.toString()));
        preprocessor.put("min_pixels", family.minPixels()).put("max_pixels", family.maxPixels());
        mapper.writeValue(directory.resolve("preprocessor_config.json").toFile(), preprocessor);
        return directory.toString();
    }

    private int runMadeUp(RerankConfig config, PassTrace trace) throws Exception {
        BenchHooks hooks = BenchHooks.random(
                config.model(), new QwenEngineFactory(config).bounds(), Objects.requireNonNull(shape));
        double gemm = hooks.gemmRate();
        try (QwenEncoder encoder = QwenEncoder.open(config);
                Engine engine = new QwenEngineFactory(config).open(any -> trace.around(hooks.scorer()))) {
            for (String workload : workloads) {
                SyntheticLists made = new SyntheticLists(encoder, workload, candidates, seed, warmUp + lists);
                Map<String, Object> figures = new LinkedHashMap<>();
                figures.put("shape", shape);
                figures.put("workload", workload);
                RunResult result = run(engine, trace, made::list, figures);
                double operations = made.operations(warmUp, lists, hooks) / lists;
                double secondsPerList = candidates / result.pairsPerSecond();
                figures.put("seconds_per_" + candidates, round(secondsPerList, 4));
                figures.put("gemm_tflops", round(gemm / 1e12, 1));
                figures.put("floor_seconds", round(operations / gemm, 4));
                figures.put("floor_share", round(operations / gemm / secondsPerList, 3));
                report(figures);
            }
        }
        return 0;
    }

    private record RunResult(double pairsPerSecond) {}

    /** Keeps lists in flight; measures from the last answer of the warm-up to the last one. */
    private RunResult run(
            Engine engine, PassTrace trace, IntFunction<CandidateList> source, Map<String, Object> figures)
            throws InterruptedException, ExecutionException, RejectedException {
        Queue<CompletableFuture<ScoredList>> inFlight = new ArrayDeque<>();
        EngineCounters before = engine.counters().copy();
        long cpu = cpuNanos();
        long start = System.nanoTime();
        trace.clear();
        long failed = 0;
        int submitted = 0;
        for (int answered = 0; answered < warmUp + lists; answered++) {
            while (submitted < warmUp + lists && inFlight.size() < IN_FLIGHT) {
                Arrival arrival = new Arrival(Lane.BACKFILL, -1, System.currentTimeMillis(), 0);
                inFlight.add(engine.submit(source.apply(submitted++), arrival));
            }
            ScoredList answer = inFlight.remove().get();
            if (answered >= warmUp) {
                failed += answer.scores().stream()
                        .filter(c -> c.status() != CandidateStatus.SCORED)
                        .count();
            }
            if (answered == warmUp - 1) {
                before = engine.counters().copy();
                cpu = cpuNanos();
                start = System.nanoTime();
                trace.clear();
            }
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        double cpuSeconds = (cpuNanos() - cpu) / 1e9;
        EngineCounters stats = engine.counters().copy();
        long pairs = stats.get(Counter.PAIRS) - before.get(Counter.PAIRS);
        figures.put("lists", lists);
        figures.put("pairs", pairs);
        figures.put("not_scored", failed);
        figures.put("seconds", round(seconds, 3));
        figures.put("pairs_per_second", round(pairs / seconds, 1));
        figures.put("cores", Runtime.getRuntime().availableProcessors());
        figures.put("cpu_seconds", round(cpuSeconds, 2));
        figures.put("pairs_per_core_second", round(pairs / cpuSeconds, 1));
        figures.put("passes", stats.get(Counter.PASSES) - before.get(Counter.PASSES));
        figures.put(
                "tokens_per_pass",
                round((stats.get(Counter.TOKENS) - before.get(Counter.TOKENS)) / (double) trace.size(), 0));
        figures.put("device_busy", round(trace.busyShare(), 3));
        figures.put("hand_over_ms", round(trace.handMillis(), 1));
        figures.put("slowest_pass_per_token_over_median", round(trace.slowestOverMedian(), 2));
        return new RunResult(pairs / seconds);
    }

    private static long cpuNanos() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    private void report(Map<String, Object> figures) throws Exception {
        if (json) {
            System.out.println(new ObjectMapper().writeValueAsString(figures));
        } else {
            figures.forEach((name, value) -> System.out.printf(Locale.ROOT, "%-36s %s%n", name, value));
            System.out.println();
        }
    }

    private static double round(double value, int digits) {
        double scale = Math.pow(10, digits);
        return Math.round(value * scale) / scale;
    }
}
