package io.lychee.rerank.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.model.cohere.CohereScoringModel;
import dev.langchain4j.model.jina.JinaScoringModel;
import dev.langchain4j.model.scoring.ScoringModel;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** LangChain4j's models for Cohere and Jina, unmodified, with this gateway's address. */
@Timeout(240)
class LangChain4jTest extends GatewayFixture {

    private static final List<String> TEXTS = List.of("blue mug", "red dress", "a cotton dress in red");

    @Test
    void cohere() {
        assertScores(CohereScoringModel.builder()
                .baseUrl("http://127.0.0.1:" + server.port() + "/v2/")
                .apiKey("any")
                .modelName("any")
                .build());
    }

    @Test
    void jina() {
        assertScores(JinaScoringModel.builder()
                .baseUrl("http://127.0.0.1:" + server.port() + "/")
                .apiKey("any")
                .modelName("any")
                .build());
    }

    private static void assertScores(ScoringModel model) {
        List<Double> scores = model.scoreAll(
                        TEXTS.stream().map(TextSegment::from).toList(), "red")
                .content();

        assertThat(scores).hasSize(3).doesNotHaveDuplicates();
        // in the order of the segments, as the answers' indexes say
        assertThat(model.score("red dress", "red").content()).isEqualTo(scores.get(1));
    }
}
