package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.scoring.Encoder;
import io.lychee.rerank.scoring.Engine;
import io.lychee.rerank.scoring.Lists;
import io.lychee.rerank.scoring.PromptPart;
import io.lychee.rerank.scoring.TestingEncoder;
import io.lychee.rerank.scoring.TestingScorer;
import io.lychee.rerank.scoring.Ticker;
import java.io.InputStream;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.LoggerContext;
import org.apache.logging.log4j.core.appender.WriterAppender;
import org.apache.logging.log4j.core.config.Configurator;
import org.apache.logging.log4j.core.config.LoggerConfig;
import org.apache.logging.log4j.core.layout.PatternLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Log lines at INFO in the layout of conf/log4j2.properties: whose list, and nothing of what is in it. */
@Timeout(120)
class LogTest {

    private static final String PAYLOAD = "payload-of-a-user";

    @TempDir
    private Path folder;

    private final StringWriter log = new StringWriter();
    private WriterAppender appender;
    private Level before;

    @BeforeEach
    void capture() throws Exception {
        Properties shipped = new Properties();
        try (InputStream file = Files.newInputStream(Path.of("conf/log4j2.properties"))) {
            shipped.load(file);
        }
        appender = WriterAppender.newBuilder()
                .setName("test")
                .setTarget(log)
                .setLayout(PatternLayout.newBuilder()
                        .withPattern(shipped.getProperty("appender.console.layout.pattern"))
                        .build())
                .build();
        appender.start();
        before = root().getLevel();
        root().addAppender(appender, Level.INFO, null);
        Configurator.setRootLevel(Level.INFO);
    }

    @AfterEach
    void release() {
        root().removeAppender("test");
        Configurator.setRootLevel(before);
    }

    private static LoggerConfig root() {
        return LoggerContext.getContext(false).getConfiguration().getRootLogger();
    }

    @Test
    void aLineAboutAListNamesIt() {
        Content query = new Content("query", List.of(new Image.Reference("https://images.test/1.jpg")));
        CandidateList list = new CandidateList(
                "q-17", null, Map.of(), query, Lists.of("q-17", 1).candidates(), null, null);
        try (Engine engine = new Engine(
                new Failing(new TestingEncoder()),
                new TestingScorer(),
                Lists.settings(60),
                Ticker.system(),
                error -> {})) {
            engine.submit(list, Lists.realtime()).join();
        }

        assertThat(log.toString().lines().filter(line -> line.contains("fetching images failed")))
                .isNotEmpty()
                .allMatch(line -> line.contains("[q-17]"));
    }

    @Test
    void noPayloadIsLogged() throws Exception {
        Path input = Files.writeString(folder.resolve("in.jsonl"), """
                {"request_id":"q1","query":{"text":"PAYLOAD"},"candidates":[{"id":"a","text":"PAYLOAD"},{"id":"b","images":["data:image/png;base64,AAAA"]},{"id":"c","images":["file:PAYLOAD.jpg"]}]}
                {"request_id":"q2","query":{"text":"PAYLOAD","more":"PAYLOAD"},"candidates":{}}
                PAYLOAD
                """.replace("PAYLOAD", PAYLOAD));

        Cli run = Cli.run(
                "rerank",
                "--checkpoint",
                "src/test/resources/golden/checkpoint",
                "--input",
                input.toString(),
                "--output",
                folder.resolve("out.jsonl").toString());

        assertThat(run.exitCode()).as(run.err()).isEqualTo(1);
        assertThat(log.toString()).contains("is ready on").doesNotContain(PAYLOAD);
        LogManager.getLogger(LogTest.class).info("this test sees what is logged");
        assertThat(log.toString()).contains("this test sees what is logged");
    }

    /** An encoder with a mistake in it. */
    private record Failing(Encoder encoder) implements Encoder {

        @Override
        public CompletableFuture<List<byte[]>> fetch(Content content) {
            throw new IllegalStateException("a mistake");
        }

        @Override
        public PromptPart encodePrefix(String instruction, Content query, List<byte[]> images) {
            throw new IllegalStateException("a mistake");
        }

        @Override
        public PromptPart encodeCandidate(Candidate candidate, List<byte[]> images) {
            throw new IllegalStateException("a mistake");
        }

        @Override
        public Fetches fetches() {
            return encoder.fetches();
        }

        @Override
        public void close() {
            encoder.close();
        }
    }
}
