package io.lychee.rerank.cli;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.job.EmbeddedFlink;
import io.lychee.rerank.job.JobFolder;
import io.lychee.rerank.job.RerankJob;
import io.lychee.rerank.scoring.EngineRegistry;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code ./lychee job}: the streaming job, embedded, against any broker. */
@Command(
        name = "job",
        description = {"Runs the job in this process against any broker, until it is stopped."})
final class JobCommand implements Callable<Integer> {

    @Mixin
    private final ConfigOptions options = new ConfigOptions();

    @Option(
            names = "--restart",
            description = "Starts at the group's offsets, without the checkpoints of an earlier run.")
    private boolean restart;

    @Override
    public Integer call() throws Exception {
        RerankConfig config = options.load(Map.of(), Map.of());
        System.err.println(RerankConfig.describe(options.values(Map.of(), Map.of())));
        RerankJob.checkBroker(config).forEach(warning -> System.err.println("lychee: " + warning));
        QwenEngineFactory engines = new QwenEngineFactory(config);
        try (CloseOnExit resources = new CloseOnExit()) {
            JobFolder folder = resources.add(JobFolder.open(config, restart));
            // loads the network before the job starts, so that a wrong checkpoint is one error, not a failing task
            EngineRegistry.Lease lease = resources.add(engines.lease());
            System.err.println("reranking " + config.kafka().requestsTopic() + " and "
                    + config.kafka().backfillTopic() + " at " + config.kafka().bootstrapServers() + " with "
                    + lease.engine().model().name() + ", "
                    + folder.last()
                            .map(last -> "from checkpoint " + last + " in ")
                            .orElse("checkpoints in ")
                    + folder.path() + "; Ctrl-C stops");
            EmbeddedFlink job = resources.add(EmbeddedFlink.start(config, engines, folder), config.drainTimeout());
            try {
                var unused = job.result().get();
            } catch (ExecutionException e) {
                if (!resources.stopping()) {
                    throw e;
                }
            }
            return 0;
        }
    }
}
