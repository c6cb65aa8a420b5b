package io.lychee.rerank.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.job.EmbeddedFlink;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.kafka.TopicReader;
import io.lychee.rerank.kafka.TopicWriter;
import io.lychee.rerank.records.DeadLetterCodec;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.wire.RerankedListCodec;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.IsolationLevel;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code ./lychee demo}: broker, job and the demo shop's lists in one process, from topic to topic. */
@Command(
        name = "demo",
        description = {
            "Starts a broker and the job in this process, publishes the demo shop's lists, and prints",
            "each list before and after reranking, with scores and latencies."
        })
final class DemoCommand implements Callable<Integer> {

    /** Realtime timeout for a large network on a processor. */
    static final String PATIENCE = "10 min";

    private static final Duration POLL = Duration.ofMillis(500);

    @Mixin
    private final ConfigOptions options = new ConfigOptions();

    @Option(names = "--broker-port", description = "Port of the broker on 127.0.0.1. Default: a free one.")
    private int brokerPort;

    @Option(names = "--json", description = "Prints the summary as JSON, and nothing else, on standard output.")
    private boolean json;

    @Option(names = "--keep-running", description = "Afterwards serves the API and the console, as ./lychee up does.")
    private boolean keepRunning;

    @Mixin
    private final ServeCommand.Address address = new ServeCommand.Address();

    @Override
    public Integer call() throws Exception {
        int exitCode = publishAndPrint();
        return keepRunning && exitCode == 0 ? UpCommand.run(options, address) : exitCode;
    }

    private int publishAndPrint() throws Exception {
        DemoShop shop = DemoShop.load();
        PrintStream out =
                json ? new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8) : System.out;
        try (CloseOnExit resources = new CloseOnExit()) {
            EmbeddedBroker broker = resources.add(EmbeddedBroker.start(brokerPort));
            // the last lists of the burst wait for the first; the demo shows scores, not deadlines
            Map<String, String> defaults = new HashMap<>(shop.defaults());
            defaults.put(ConfigKeys.REALTIME_TIMEOUT, PATIENCE);
            RerankConfig config =
                    options.load(defaults, Map.of(ConfigKeys.BOOTSTRAP_SERVERS, broker.bootstrapServers()));
            new TopicAdmin(config.kafka(), EmbeddedBroker.TIMEOUT).createMissing(TopicAdmin.topics(config.kafka()), 1);
            QwenEngineFactory engines = new QwenEngineFactory(config);
            EngineRegistry.Lease lease = resources.add(engines.lease());
            out.println(lease.engine().model().name() + " is loaded, a broker runs at "
                    + broker.bootstrapServers() + ", publishing "
                    + shop.lists().size() + " lists to "
                    + config.kafka().requestsTopic());
            EmbeddedFlink job =
                    resources.add(EmbeddedFlink.start(config, engines, "lychee-rerank demo"), config.drainTimeout());
            DemoReport report = new DemoReport(out);
            publish(config.kafka(), shop);
            collect(config.kafka(), job, shop, report);
            if (json) {
                System.out.println(new ObjectMapper().writeValueAsString(report.figures()));
            } else {
                report.printSummary();
            }
            return report.lists() == shop.lists().size() ? 0 : 1;
        }
    }

    private static void publish(RerankConfig.Kafka kafka, DemoShop shop) throws IOException {
        try (TopicWriter writer = new TopicWriter(kafka, Lane.REALTIME, null)) {
            for (int i = 0; i < shop.lines().size(); i++) {
                byte[] line = shop.lines().get(i).getBytes(StandardCharsets.UTF_8);
                var unused =
                        writer.send(kafka.requestsTopic(), shop.lists().get(i).requestId(), line);
            }
            writer.flush();
        }
    }

    /** Returns when every list is answered; throws when one became a dead letter, or the job failed. */
    private static void collect(RerankConfig.Kafka kafka, EmbeddedFlink job, DemoShop shop, DemoReport report)
            throws Exception {
        Map<String, CandidateList> open = new HashMap<>();
        shop.lists().forEach(list -> open.put(list.requestId(), list));
        Set<String> topics = Set.of(kafka.resultsTopic(), kafka.deadLettersTopic());
        try (TopicReader reader =
                new TopicReader(kafka, topics, TopicReader.From.BEGINNING, IsolationLevel.READ_UNCOMMITTED)) {
            while (!open.isEmpty()) {
                for (ConsumerRecord<byte[], byte[]> record : reader.poll(POLL)) {
                    if (record.topic().equals(kafka.deadLettersTopic())) {
                        throw new IllegalStateException("a list of the demo became a dead letter: "
                                + DeadLetterCodec.decode(record.value()).message());
                    }
                    RerankedList answer = RerankedListCodec.decode(record.value());
                    CandidateList list = open.remove(answer.requestId());
                    if (list != null) {
                        report.add(list, answer);
                    }
                }
                if (job.result().isDone()) {
                    // only a failure ends this job; get() throws it
                    var unused = job.result().get();
                }
            }
        }
    }
}
