package io.lychee.rerank.cli;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.engine.QwenEngines;
import io.lychee.rerank.job.RerankJob;
import io.lychee.rerank.scoring.Engines;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code ./lychee job}: topics to topics, embedded. */
@Command(
        name = "job",
        description = {"Runs the job in this process against any broker, until it is stopped."})
final class JobCommand implements Callable<Integer> {

    private static final Duration BROKER = Duration.ofSeconds(10);

    @Mixin
    private final ConfigOptions options = new ConfigOptions();

    @Override
    public Integer call() throws Exception {
        RerankConfig config = options.load(Map.of(), Map.of());
        System.err.println(RerankConfig.describe(options.values(Map.of(), Map.of())));
        RerankJob.checkBroker(config, BROKER).forEach(warning -> System.err.println("lychee: " + warning));
        QwenEngines engines = new QwenEngines(config);
        // loads the network before the job starts, so that a wrong checkpoint is an error and no failing task
        try (Engines.Lease lease = engines.lease()) {
            StreamExecutionEnvironment env = RerankJob.environment(config);
            RerankJob.build(env, config, engines);
            System.err.println("reranking " + config.kafka().requestsTopic() + " and "
                    + config.kafka().backfillTopic() + " at " + config.kafka().bootstrapServers() + " with "
                    + lease.engine().model().name() + "; Ctrl-C stops");
            env.execute("lychee-rerank");
            return 0;
        }
    }
}
