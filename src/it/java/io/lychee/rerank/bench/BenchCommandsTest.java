package io.lychee.rerank.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.cli.Cli;
import java.util.List;
import org.junit.jupiter.api.Test;

/** That benchmarks measure what they say; how much it is, is for a quiet machine. */
class BenchCommandsTest {

    @Test
    void everyListSentIsAnsweredAndItsTimeAddsUp() throws Exception {
        Cli cli = Cli.run(
                "bench pipeline --rate 20 --minutes 0.05 --candidates 5 --spread 0.4 --images 0.2 --backfill-backlog 20"
                        .concat(" --token-micros 1 --json -D realtime.timeout=10min")
                        .split(" "));

        assertThat(cli.exitCode()).as(cli.err()).isZero();
        JsonNode figures = new ObjectMapper().readTree(cli.out());
        assertThat(figures.path("memory_samples").size()).isGreaterThan(2);
        JsonNode realtime = figures.path("realtime");
        assertThat(realtime.path("lists").asInt()).isBetween(30, 90);
        assertThat(realtime.path("complete")).isEqualTo(realtime.path("lists"));
        assertThat(realtime.path("unanswered").asInt()).isZero();
        JsonNode stages = realtime.path("milliseconds");
        for (String quantile : List.of("p50", "max")) {
            double total = stages.path("total").path(quantile).asDouble();
            assertThat(total)
                    .isPositive()
                    .isGreaterThanOrEqualTo(stages.path("score").path(quantile).asDouble());
        }
    }

    @Test
    void imagesAndTextsAreMeasured() throws Exception {
        Cli cli = Cli.run("bench", "preprocess", "--seconds", "0.01", "--json");

        assertThat(cli.exitCode()).as(cli.err()).isZero();
        JsonNode figures = new ObjectMapper().readTree(cli.out());
        JsonNode images = figures.path("images_per_second");
        assertThat(images.fieldNames()).toIterable().contains("jpg, demo shop's", "webp, 1024 × 768");
        assertThat(images)
                .allSatisfy(rates ->
                        assertThat(rates.path("a_core_second").asDouble()).isPositive());
    }

    @Test
    void theQueueOfOneIsTheTextbooks() {
        assertThat(BenchScenario.md1(0.6, 0.99)).isCloseTo(5.53, within(0.01));
        assertThat(BenchScenario.md1(0.3, 0.2)).as("most don't wait").isCloseTo(1, within(0.01));
    }

    @Test
    void anImpossibleRateIsRefused() {
        Cli cli = Cli.run("bench", "pipeline", "--rate", "0");

        assertThat(cli.exitCode()).isEqualTo(1);
        assertThat(cli.err()).contains("--rate is 0.0").contains("expected more than 0");
    }
}
