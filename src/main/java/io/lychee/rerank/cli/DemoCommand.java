package io.lychee.rerank.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.RerankOptions;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.job.EmbeddedFlink;
import io.lychee.rerank.kafka.DeadLetterCodec;
import io.lychee.rerank.kafka.TopicAdmin;
import io.lychee.rerank.kafka.TopicReader;
import io.lychee.rerank.kafka.TopicWriter;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.wire.RerankedListCodec;
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

/** {@code ./lychee demo}: a broker, the job and the demo shop in this process, from topic to topic. */
@Command(
        name = "demo",
        description = {
            "Starts a broker and the job in this process, publishes the demo shop's lists, and prints",
            "each list before and after reranking, with scores and latencies."
        })
final class DemoCommand implements Callable<Integer> {

    /** A large network on a processor takes its time. */
    static final String PATIENCE = "10 min";

    private static final Duration BROKER = Duration.ofSeconds(30);
    private static final Duration POLL = Duration.ofMillis(500);

    @Mixin
    private final ConfigOptions options = new ConfigOptions();

    @Option(names = "--broker-port", description = "Port of the broker on 127.0.0.1. Default: a free one.")
    private int brokerPort;

    @Option(names = "--json", description = "The summary as JSON on standard output, and nothing else there.")
    private boolean json;

    @Option(names = "--keep-running", description = "Afterwards serves the API and the console, as ./lychee up does.")
    private boolean keepRunning;

    @Mixin
    private final ServeOptions serving = new ServeOptions();

    @Override
    public Integer call() throws Exception {
        int exitCode = publishAndPrint();
        return keepRunning && exitCode == 0 ? UpCommand.run(options, serving) : exitCode;
    }

    private int publishAndPrint() throws Exception {
        DemoShop shop = DemoShop.load();
        PrintStream people =
                json ? new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8) : System.out;
        try (Started started = new Started()) {
            EmbeddedBroker broker = started.add(EmbeddedBroker.start(brokerPort));
            RerankConfig config = options.load(
                    defaults(shop), Map.of(RerankOptions.BOOTSTRAP_SERVERS.key(), broker.bootstrapServers()));
            new TopicAdmin(config.kafka(), BROKER).createMissing(TopicAdmin.topics(config.kafka()), 1);
            QwenEngineFactory engines = new QwenEngineFactory(config);
            EngineRegistry.Lease lease = started.add(engines.lease());
            people.println(lease.engine().model().name() + " is loaded, a broker runs at "
                    + broker.bootstrapServers() + ", publishing "
                    + shop.lists().size() + " lists to "
                    + config.kafka().requestsTopic());
            EmbeddedFlink job =
                    started.add(EmbeddedFlink.start(config, engines, "lychee-rerank demo"), config.drainTimeout());
            DemoSummary summary = rerank(config, job, shop, people);
            if (json) {
                System.out.println(new ObjectMapper().writeValueAsString(summary.figures()));
            } else {
                summary.print(new DemoPrinter(people));
            }
            return summary.lists() == shop.lists().size() ? 0 : 1;
        }
    }

    /** On a slow machine the last lists of the burst wait for the first; the demo shall show scores, not deadlines. */
    private static Map<String, String> defaults(DemoShop shop) {
        Map<String, String> defaults = new HashMap<>(shop.defaults());
        defaults.put(RerankOptions.REALTIME_TIMEOUT.key(), PATIENCE);
        return defaults;
    }

    private static DemoSummary rerank(RerankConfig config, EmbeddedFlink job, DemoShop shop, PrintStream people)
            throws Exception {
        DemoPrinter printer = new DemoPrinter(people);
        DemoSummary summary = new DemoSummary();
        Map<String, CandidateList> asked = new HashMap<>();
        shop.lists().forEach(list -> asked.put(list.requestId(), list));
        RerankConfig.Kafka kafka = config.kafka();
        try (TopicWriter writer = new TopicWriter(kafka, Lane.REALTIME, null)) {
            for (int i = 0; i < shop.lines().size(); i++) {
                byte[] line = shop.lines().get(i).getBytes(StandardCharsets.UTF_8);
                var unused =
                        writer.send(kafka.requestsTopic(), shop.lists().get(i).requestId(), line);
            }
            writer.flush();
        }
        Set<String> topics = Set.of(kafka.resultsTopic(), kafka.deadLettersTopic());
        try (TopicReader reader =
                new TopicReader(kafka, topics, TopicReader.From.BEGINNING, IsolationLevel.READ_UNCOMMITTED)) {
            while (!asked.isEmpty()) {
                for (ConsumerRecord<byte[], byte[]> record : reader.poll(POLL)) {
                    if (record.topic().equals(kafka.deadLettersTopic())) {
                        throw new IllegalStateException("a list of the demo became a dead letter: "
                                + DeadLetterCodec.decode(record.value()).message());
                    }
                    RerankedList answer =
                            RerankedListCodec.decode(record.value()).list();
                    CandidateList list = asked.remove(answer.requestId());
                    if (list != null) {
                        summary.add(list, answer);
                        printer.print(list, answer, summary.lastBefore(), summary.lastAfter());
                    }
                }
                if (job.result().isDone()) {
                    // only a failure ends this job; get() says which
                    var unused = job.result().get();
                }
            }
        }
        return summary;
    }
}
