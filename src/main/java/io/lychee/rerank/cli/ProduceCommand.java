package io.lychee.rerank.cli;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.kafka.KafkaSources;
import io.lychee.rerank.kafka.TopicCheck;
import io.lychee.rerank.kafka.TopicWriter;
import io.lychee.rerank.records.TopicLines;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code ./lychee produce}: publishes JSON lines to a topic. */
@Command(
        name = "produce",
        description = {
            "Publishes the candidate lists of a JSON-lines file, or of standard input.",
            "Lines that the job would refuse are named and not sent; the exit code is then 1."
        })
final class ProduceCommand implements Callable<Integer> {

    @Mixin
    private final ConfigOptions.Keys options = new ConfigOptions.Keys();

    @Option(names = "--input", paramLabel = "FILE", description = "One list a line. Default: standard input.")
    private @Nullable Path input;

    @Option(names = "--lane", defaultValue = "realtime", description = "realtime or backfill. Default: realtime.")
    @SuppressWarnings("NullAway.Init") // has a default
    private Lane lane;

    @Option(names = "--format", defaultValue = "json", description = "json or avro. Default: json.")
    @SuppressWarnings("NullAway.Init") // has a default
    private OutputFormat format;

    @Override
    public Integer call() throws IOException {
        RerankConfig config = options.loadClient();
        String name = input == null ? "standard input" : input.toString();
        try (InputStream lines = open()) {
            new TopicCheck(config.kafka()).check(Set.of(KafkaSources.topic(config.kafka(), lane)));
            try (TopicWriter writer = new TopicWriter(config.kafka(), lane, null)) {
                TopicLines.Sent sent = TopicLines.write(
                        writer, config, lane, format, name, lines, refusal -> System.err.println("lychee: " + refusal));
                System.err.println(sent.sent() + " lists published, " + sent.refused() + " refused");
                return sent.refused() == 0 ? 0 : 1;
            }
        }
    }

    private InputStream open() throws IOException {
        if (input == null) {
            return System.in;
        }
        if (!Files.isRegularFile(input) || !Files.isReadable(input)) {
            throw new ConfigException("no file " + input.toAbsolutePath() + " that can be read (--input)");
        }
        return Files.newInputStream(input);
    }
}
