package io.lychee.rerank.cli;

import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.engine.MemoryCheck;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.gateway.Gateway;
import io.lychee.rerank.gateway.GatewayServer;
import io.lychee.rerank.gateway.Readiness;
import io.lychee.rerank.job.EmbeddedFlink;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.scoring.EngineCounters.Counter;
import io.lychee.rerank.scoring.EngineRegistry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code ./lychee up}: broker, job, gateway and console in one process. */
@Command(
        name = "up",
        description = {
            "Starts a broker, the job, the HTTP API and the console in this process, until it is stopped.",
            "With the demo's checkpoint, or with any (--checkpoint)."
        })
final class UpCommand implements Callable<Integer> {

    /** Lists after which the classes that answer one are loaded; more make little difference. */
    private static final int REHEARSALS = 20;

    private static final Duration REHEARSAL = Duration.ofSeconds(2);

    @Mixin
    private final ConfigOptions options = new ConfigOptions();

    @Mixin
    private final ServeCommand.Address address = new ServeCommand.Address();

    @Override
    public Integer call() throws Exception {
        return run(options, address);
    }

    /** Returns when the process is asked to end. */
    static int run(ConfigOptions options, ServeCommand.Address address) throws Exception {
        Path demo = DemoShop.bundled();
        Map<String, String> defaults = new HashMap<>();
        if (Files.isDirectory(demo.resolve("checkpoint"))) {
            defaults.putAll(DemoShop.defaults(demo));
        }
        // a person at a page waits; a large network on a processor takes its time
        defaults.put(ConfigKeys.GATEWAY_TIMEOUT, "5 min");
        defaults.put(ConfigKeys.REALTIME_TIMEOUT, DemoCommand.PATIENCE);
        // before anything starts, so that an error comes at once
        RerankConfig.Model model = options.load(defaults, Map.of()).model();
        MemoryCheck.require(CheckpointFiles.of(model.checkpoint()), model.device(), model.precision());
        try (CloseOnExit resources = new CloseOnExit()) {
            try {
                EmbeddedBroker broker = resources.add(EmbeddedBroker.start());
                RerankConfig config =
                        options.load(defaults, Map.of(ConfigKeys.BOOTSTRAP_SERVERS, broker.bootstrapServers()));
                run(config, address, scenes(config, demo), resources);
            } catch (Exception e) {
                if (!resources.stopping()) {
                    throw e;
                }
            }
            return 0;
        }
    }

    /** Returns when the job has ended, which only a failure does. */
    private static void run(
            RerankConfig config, ServeCommand.Address address, @Nullable Path scenes, CloseOnExit resources)
            throws Exception {
        new TopicAdmin(config.kafka(), EmbeddedBroker.TIMEOUT).createMissing(TopicAdmin.topics(config.kafka()), 1);
        Readiness readiness = new Readiness();
        Gateway gateway = resources.add(new Gateway(config));
        GatewayServer server = resources.add(new GatewayServer(gateway, readiness, address.get(), scenes));
        CheckpointFiles checkpoint = CheckpointFiles.of(config.model().checkpoint());
        String what = checkpoint.name() + " (" + MemoryCheck.gigabytes(MemoryCheck.weights(checkpoint)) + " GB)";
        readiness.loading(what);
        System.out.println("console and API at " + address.url(server) + ", broker at "
                + config.kafka().bootstrapServers() + "; loading " + what);
        QwenEngineFactory engines = new QwenEngineFactory(config);
        long from = System.nanoTime();
        EngineRegistry.Lease lease =
                resources.add(engines.lease(List.of(), progress -> readiness.loading(what + ": " + progress)));
        EmbeddedFlink job = resources.add(EmbeddedFlink.start(config, engines, "lychee-rerank"), config.drainTimeout());
        rehearse(server, job.result());
        String name = lease.engine().model().name();
        readiness.ready(
                name, () -> lease.sum(Counter.BUSY_NANOS) / lease.engines().size() / 1_000_000);
        System.out.printf(
                Locale.ROOT, "%s is loaded, after %.1f s; Ctrl-C stops%n", name, (System.nanoTime() - from) / 1e9);
        var unused = job.result().get();
    }

    /** Waits for the job's first answers, so that the first client does not. */
    private static void rehearse(GatewayServer server, CompletableFuture<?> ended) throws Exception {
        long until = System.nanoTime() + REHEARSAL.toNanos();
        for (int i = 0; i < REHEARSALS && !ended.isDone() && (i == 0 || System.nanoTime() < until); i++) {
            var unused = CompletableFuture.anyOf(ended, server.rehearse()).get();
        }
    }

    /** Returns the folder of the demo's lists, null where its images may not be read. */
    private static @Nullable Path scenes(RerankConfig config, Path demo) {
        boolean readable = config.limits().imageRoots().stream()
                .anyMatch(root -> Path.of(root).toAbsolutePath().equals(demo.toAbsolutePath()));
        return readable && Files.isRegularFile(demo.resolve("lists.jsonl")) ? demo : null;
    }
}
