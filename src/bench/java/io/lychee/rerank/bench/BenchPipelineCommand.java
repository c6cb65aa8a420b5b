package io.lychee.rerank.bench;

import io.lychee.rerank.cli.ConfigOptions;
import io.lychee.rerank.cli.DemoShop;
import io.lychee.rerank.cli.EmbeddedBroker;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.scoring.EngineCounters;
import io.lychee.rerank.scoring.EngineCounters.Counter;
import io.lychee.rerank.scoring.EngineFactory;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code ./lychee bench pipeline}: from topic to topic. */
@Command(
        name = "pipeline",
        description = {
            "Sends lists through a broker, Flink and the engine at random moments, and tells where their time went.",
            "Starts a broker of its own unless kafka.bootstrap-servers is set; topics are this run's own."
                    + " With --scenario measures a promise of the README; the exit code is 1 when it is missed."
        })
final class BenchPipelineCommand implements Callable<Integer> {

    enum ScorerKind {
        SIMULATED,
        CHECKPOINT
    }

    private static final String EMBEDDED = "embedded";

    /** How long answers may take to come after the last list was sent. */
    static final Duration PATIENCE = Duration.ofMinutes(2);

    @Mixin
    private final ConfigOptions options = new ConfigOptions();

    @Option(names = "--rate", defaultValue = "10", description = "Lists a second. Default: ${DEFAULT-VALUE}")
    private double rate;

    @Option(names = "--minutes", defaultValue = "1", description = "How long to send. Default: ${DEFAULT-VALUE}")
    private double minutes;

    @Option(names = "--candidates", defaultValue = "50", description = "In a list. Default: ${DEFAULT-VALUE}")
    private int candidates;

    @Option(
            names = "--spread",
            defaultValue = "0",
            description = "Share by which lists may be longer or shorter than that. Default: ${DEFAULT-VALUE}")
    private double spread;

    @Option(
            names = "--images",
            defaultValue = "0",
            description = "Share of the candidates that are pictures. Default: ${DEFAULT-VALUE}")
    private double images;

    @Option(
            names = "--backfill-backlog",
            paramLabel = "N",
            defaultValue = "0",
            description = "Lists in the backfill topic before the first one is sent. Default: ${DEFAULT-VALUE}")
    private int backlog;

    @Option(
            names = "--scorer",
            defaultValue = "simulated",
            description = "simulated: a network that only takes time; or checkpoint. Default: ${DEFAULT-VALUE}")
    private ScorerKind scorer = ScorerKind.SIMULATED;

    @Option(
            names = "--pass-micros",
            defaultValue = "5000",
            description = "Simulated cost of a pass. Default: ${DEFAULT-VALUE}")
    private int passMicros;

    @Option(
            names = "--token-micros",
            defaultValue = "20",
            description = "Simulated cost of each token in it. Default: ${DEFAULT-VALUE}")
    private int tokenMicros;

    @Option(
            names = "--scenario",
            paramLabel = "NAME",
            description = "${COMPLETION-CANDIDATES}; with its own rates, times and lists.")
    private @Nullable BenchScenario scenario;

    @Option(
            names = "--scale",
            defaultValue = "1",
            description = "Shortens a scenario's times, for a quick look. Default: ${DEFAULT-VALUE}")
    private double scale;

    @Option(names = "--seed", defaultValue = "1", description = "Of arrivals and lists. Default: ${DEFAULT-VALUE}")
    private long seed;

    @Option(names = "--json", description = "The figures as JSON on standard output, and nothing else there.")
    private boolean json;

    @Override
    public Integer call() throws Exception {
        if (!(rate > 0) || !(minutes > 0) || candidates < 1 || backlog < 0 || !(scale > 0) || scale > 1) {
            throw new ConfigException("--rate is %s, --minutes %s, --candidates %d, --backfill-backlog %d, --scale %s;"
                            .formatted(rate, minutes, candidates, backlog, scale)
                    + " expected more than 0, more than 0, at least 1, at least 0, and 0 to 1");
        }
        if (!(spread >= 0 && spread <= 1) || !(images >= 0 && images <= 1) || passMicros < 0 || tokenMicros < 0) {
            throw new ConfigException("--spread is %s, --images %s, --pass-micros %d, --token-micros %d;"
                            .formatted(spread, images, passMicros, tokenMicros)
                    + " expected shares from 0 to 1 and times of at least 0");
        }
        DemoShop shop = DemoShop.load();
        RerankConfig config = config(shop, Map.of());
        if (!config.kafka().bootstrapServers().equals(EMBEDDED)) {
            try {
                return run(shop, config);
            } finally {
                new TopicAdmin(config.kafka(), EmbeddedBroker.TIMEOUT).delete(TopicAdmin.topics(config.kafka()));
            }
        }
        try (EmbeddedBroker broker = EmbeddedBroker.start()) {
            return run(shop, config(shop, Map.of(ConfigKeys.BOOTSTRAP_SERVERS, broker.bootstrapServers())));
        }
    }

    private RerankConfig config(DemoShop shop, Map<String, String> broker) {
        Map<String, String> defaults = new HashMap<>(shop.defaults());
        defaults.put(ConfigKeys.BOOTSTRAP_SERVERS, EMBEDDED);
        String own = "lychee-bench-" + ProcessHandle.current().pid() + "-";
        Map<String, String> fixed = new HashMap<>(broker);
        for (String topic : List.of("requests", "results", "backfill", "backfill-results", "dead-letters")) {
            fixed.put("kafka.topic." + topic, own + topic);
        }
        fixed.put(ConfigKeys.GROUP_ID, own + "job");
        defaults.put(ConfigKeys.CACHE_SCORES, "0"); // the shop's pairs come again and again
        return options.load(defaults, fixed);
    }

    private int run(DemoShop shop, RerankConfig config) throws Exception {
        EngineFactory engines = scorer == ScorerKind.CHECKPOINT
                ? new QwenEngineFactory(config)
                : new SimulatedEngines(config, passMicros, tokenMicros);
        BenchLists.Shape shape = scenario == null ? new BenchLists.Shape(candidates, spread, images) : scenario.shape();
        Map<String, Object> figures = new LinkedHashMap<>();
        figures.put("seed", seed);
        figures.put(
                "scorer",
                scorer == ScorerKind.CHECKPOINT
                        ? config.model().checkpoint()
                        : passMicros + " µs a pass, " + tokenMicros + " µs a token");
        figures.put("cores", Runtime.getRuntime().availableProcessors());
        figures.put(
                "load_average",
                BenchOutput.round(ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage()));
        System.err.println("seed " + seed);
        try (BenchPipeline pipeline = new BenchPipeline(config, engines, BenchLists.of(shop, shape), seed)) {
            List<BenchScenario.Promise> promises =
                    scenario == null ? List.of() : scenario.run(pipeline, scale, figures);
            if (scenario == null) {
                steady(pipeline, figures);
            }
            figures.put("memory", pipeline.memory.figures());
            if (json) {
                figures.put("memory_samples", pipeline.memory.samples());
                figures.put("promises", promises);
            }
            BenchOutput.print(figures, json);
            if (!json) {
                promises.forEach(System.out::println);
            }
            return promises.stream().allMatch(BenchScenario.Promise::kept) ? 0 : 1;
        }
    }

    private void steady(BenchPipeline pipeline, Map<String, Object> figures) throws Exception {
        pipeline.warmUp(PATIENCE);
        BenchLoad backfill = pipeline.burst(Lane.BACKFILL, backlog, null);
        Duration duration = Duration.ofMillis(Math.round(minutes * 60_000));
        EngineCounters before = pipeline.engine.counters().copy();
        long start = System.nanoTime();
        BenchLoad load = pipeline.poisson("realtime", Lane.REALTIME, rate, duration);
        EngineCounters after = pipeline.engine.counters().copy();
        long end = System.nanoTime();
        pipeline.await("realtime", load, PATIENCE);
        figures.put("realtime", load.figures(duration));
        figures.put("engine", engine(before, after, (end - start) / 1e9));
        if (backlog > 0) {
            figures.put("backfill_per_second", BenchOutput.round(backfill.rate(start, end)));
            pipeline.await("backfill", backfill, PATIENCE);
            figures.put("backfill_unanswered", backfill.unanswered());
        }
    }

    static Map<String, Object> engine(EngineCounters before, EngineCounters after, double seconds) {
        long passes = after.get(Counter.PASSES) - before.get(Counter.PASSES);
        Map<String, Object> figures = new LinkedHashMap<>();
        figures.put("busy", (after.get(Counter.BUSY_NANOS) - before.get(Counter.BUSY_NANOS)) / 1e9 / seconds);
        figures.put("pairs_per_second", (after.get(Counter.PAIRS) - before.get(Counter.PAIRS)) / seconds);
        figures.put("tokens_per_second", (after.get(Counter.TOKENS) - before.get(Counter.TOKENS)) / seconds);
        figures.put("tokens_per_pass", (after.get(Counter.TOKENS) - before.get(Counter.TOKENS)) / (double) passes);
        figures.put("pass_ms", (after.get(Counter.BUSY_NANOS) - before.get(Counter.BUSY_NANOS)) / 1e6 / passes);
        figures.replaceAll((name, value) -> BenchOutput.round((Double) value));
        return figures;
    }
}
