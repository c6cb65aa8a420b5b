package io.lychee.rerank.cli;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.kafka.KafkaSinks;
import io.lychee.rerank.kafka.TopicCheck;
import io.lychee.rerank.kafka.TopicReader;
import io.lychee.rerank.records.TopicLines;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.Callable;
import org.apache.kafka.common.IsolationLevel;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code ./lychee consume}: prints a topic as JSON lines. */
@Command(
        name = "consume",
        description = {
            "Prints the records of a topic as JSON lines, whether they are JSON or Avro.",
            "Joins no consumer group. Without a bound it runs until Ctrl-C."
        })
final class ConsumeCommand implements Callable<Integer> {

    @Mixin
    private final ConfigOptions.Keys options = new ConfigOptions.Keys();

    @Option(names = "--topic", description = "Any topic of the job. Default: the results of --lane.")
    private @Nullable String topic;

    @Option(names = "--lane", defaultValue = "realtime", description = "realtime or backfill. Default: realtime.")
    @SuppressWarnings("NullAway.Init") // has a default
    private Lane lane;

    @Option(names = "--dead-letters", description = "Prints dead letters instead of results.")
    private boolean deadLetters;

    @Option(names = "--max", description = "Ends after this many records.")
    private long max = Long.MAX_VALUE;

    @Option(names = "--idle", description = "Ends after this many seconds without a record.")
    private int idleSeconds;

    @Option(names = "--latest", description = "Prints only records published from now on.")
    private boolean latest;

    @Override
    public Integer call() {
        RerankConfig config = options.loadClient();
        Set<String> topics = Set.of(topic(config.kafka()));
        new TopicCheck(config.kafka()).check(topics);
        TopicReader.From from = latest ? TopicReader.From.END : TopicReader.From.BEGINNING;
        try (TopicReader reader = new TopicReader(config.kafka(), topics, from, IsolationLevel.READ_COMMITTED)) {
            TopicLines.read(reader, max, Duration.ofSeconds(idleSeconds), line -> {
                System.out.println(line);
                if (System.out.checkError()) { // the reader, such as head, has closed the pipe
                    reader.stop();
                }
            });
            return 0;
        }
    }

    private String topic(RerankConfig.Kafka kafka) {
        if (topic != null) {
            return topic;
        }
        return deadLetters ? kafka.deadLettersTopic() : KafkaSinks.topic(kafka, lane);
    }
}
