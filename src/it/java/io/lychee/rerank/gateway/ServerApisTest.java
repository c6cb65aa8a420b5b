package io.lychee.rerank.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpRequest;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The forms of model servers, as their clients send and read them, with a real broker and a real job. */
@Timeout(240)
class ServerApisTest extends GatewayFixture {

    private static final String LONG = "red ".repeat(1200);

    /** As vLLM's own, LiteLLM, Milvus and Dify send them. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "[\"red dress\", \"blue mug\"]",
                "[{\"text\": \"red dress\"}, {\"text\": \"blue mug\"}]",
                "[{\"content\": \"red dress\"}, {\"content\": [{\"type\": \"text\", \"text\": \"blue mug\"}]}]",
                "{\"content\": [{\"type\": \"text\", \"text\": \"red dress\"},"
                        + " {\"type\": \"text\", \"text\": \"blue mug\"}]}",
            })
    void rerankTakesDocumentsInEveryForm(String documents) {
        Http.Told told = post("/rerank", "{\"query\": \"red\", \"documents\": " + documents + "}");

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        JsonNode expected = post("/v1/rerank", """
                {"query":"red","documents":["red dress","blue mug"]}""").json();
        for (int i = 0; i < 2; i++) {
            JsonNode result = told.json().get("results").get(i);
            assertThat(result.get("index")).isEqualTo(expected.at("/results/" + i + "/index"));
            assertThat(result.get("relevance_score").asDouble())
                    .isCloseTo(expected.at("/results/" + i + "/relevance_score").asDouble(), within(1e-4));
            assertThat(result.has("document")).isTrue();
        }
    }

    @Test
    void aPictureMayBeADocumentOfOneObject() {
        Http.Told told = post("/rerank", """
                {"query":"red","documents":{"content":[
                 {"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}},
                 {"type":"text","text":"blue"}]}}""".formatted(PICTURE));

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        assertThat(told.json().get("results")).hasSize(2);
    }

    @Test
    void rerankAnswersWeaviateInTheOrderOfTheRequest() {
        Http.Told told = post("/rerank", """
                {"query":"red","property":"title","documents":["blue mug"," ","red dress"]}""");

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        JsonNode scores = told.json().get("scores");
        assertThat(scores.findValuesAsText("document")).containsExactly("blue mug", " ", "red dress");
        assertThat(scores.get(0).get("score").asDouble()).isBetween(0.0, 1.0);
        assertThat(scores.get(1).get("score").isNull()).as("never invented").isTrue();
    }

    @Test
    void weaviateNeedsNoContentTypeAndAsksElsewhereForReadiness() {
        HttpRequest untyped = http.to("/rerank")
                .POST(HttpRequest.BodyPublishers.ofString("""
                        {"query":"red","documents":["blue mug"],"property":""}"""))
                .build();
        Http.Told told = Http.told(http.send(untyped).join());

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        assertThat(told.json().get("scores")).hasSize(1);
        Http.Told ready = http.get("/.well-known/ready");
        assertThat(ready.status()).isEqualTo(200);
        openApi.describes("/.well-known/ready", "get", ready);
    }

    @Test
    void rerankAnswersTextEmbeddingsInferenceWithAnArray() {
        String body = "{\"query\":\"red\",\"texts\":[\"blue mug\",\"red dress\",\"red\"]%s}";
        JsonNode plain = post("/rerank", body.formatted("")).json();
        assertThat(plain.isArray()).as(plain.toString()).isTrue();
        assertThat(plain).hasSize(3).allSatisfy(one -> assertThat(fields(one)).containsExactly("index", "score"));
        assertThat(plain.get(0).get("score").asDouble())
                .isGreaterThanOrEqualTo(plain.get(1).get("score").asDouble());

        JsonNode raw = post("/rerank", body.formatted(",\"raw_scores\":true,\"return_text\":true"))
                .json();
        for (int i = 0; i < 3; i++) {
            double score = plain.get(i).get("score").asDouble();
            assertThat(raw.get(i).get("score").asDouble()).isCloseTo(Math.log(score / (1 - score)), within(1e-2));
            assertThat(raw.get(i).get("text").asText())
                    .isEqualTo(List.of("blue mug", "red dress", "red")
                            .get(raw.get(i).get("index").asInt()));
        }

        String texts = "{\"query\":\"red\",\"texts\":[\"" + LONG + "\"],\"truncate\":%s}";
        assertThat(post("/rerank", texts.formatted("true")).status()).isEqualTo(200);
        Http.Told whole = post("/rerank", texts.formatted("false"));
        assertThat(whole.status()).isEqualTo(413);
        assertThat(whole.json().get("error").asText()).contains("texts[0] is longer than text.max-candidate-tokens");
        assertThat(whole.json().get("error_type").asText()).isEqualTo("Validation");
    }

    @Test
    void nvidiaGetsLogits() {
        Http.Told told = post("/v1/ranking", """
                {"model":"nvidia/any","query":{"text":"red"},"truncate":"END",
                 "passages":[{"text":"blue mug"},
                 {"text":"red dress","image":"data:image/png;base64,%s"}]}""".formatted(PICTURE));

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        JsonNode rankings = told.json().get("rankings");
        assertThat(rankings)
                .hasSize(2)
                .allSatisfy(one -> assertThat(fields(one)).containsExactly("index", "logit"));
        assertThat(rankings.get(0).get("logit").asDouble())
                .isGreaterThanOrEqualTo(rankings.get(1).get("logit").asDouble());
        assertThat(told.json().at("/usage/total_tokens").asInt()).isPositive();

        Http.Told whole = post("/v1/ranking", """
                {"query":{"text":"red"},"truncate":"NONE","passages":[{"text":"%s"}]}""".formatted(LONG));
        assertThat(whole.status()).isEqualTo(413);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"text_1\": \"red\", \"text_2\": [\"blue mug\", \"red dress\"]",
                "\"data_1\": [\"red\"], \"data_2\": [\"blue mug\", \"red dress\"]",
                "\"queries\": \"red\", \"documents\": [\"blue mug\", \"red dress\"]",
            })
    void scoreAnswersInTheOrderOfTheRequest(String fields) {
        for (String path : List.of("/score", "/v1/score")) {
            Http.Told told = post(path, "{\"model\": \"m\", " + fields + "}");

            assertThat(told.status()).as(told.body()).isEqualTo(200);
            assertThat(told.json().get("object").asText()).isEqualTo("list");
            JsonNode data = told.json().get("data");
            assertThat(data.findValuesAsText("index")).containsExactly("0", "1");
            assertThat(data.findValuesAsText("object")).containsOnly("score");
        }
    }

    @Test
    void scoreTakesOneDocumentOrAQueryForEach() {
        assertThat(post("/score", "{\"text_1\":\"red\",\"text_2\":\"red dress\"}")
                        .json()
                        .get("data"))
                .hasSize(1);
        Http.Told pairs = post("/score", """
                {"queries":["red","blue",{"content":[{"type":"text","text":"a"}]},"red"],
                 "items":["blue mug","blue mug","green hat","red dress"]}""");
        assertThat(pairs.status()).as(pairs.body()).isEqualTo(200);
        assertThat(pairs.json().get("data").findValuesAsText("index")).containsExactly("0", "1", "2", "3");
        List<Double> expected = new ArrayList<>();
        for (String pair : List.of("red,blue mug", "blue,blue mug", "a,green hat", "red,red dress")) {
            String alone = "{\"text_1\":\"%s\",\"text_2\":\"%s\"}".formatted((Object[]) pair.split(",", -1));
            expected.add(scores(post("/score", alone)).get(0));
        }
        assertThat(scores(pairs))
                .zipSatisfy(expected, (score, alone) -> assertThat(score).isCloseTo(alone, within(1e-3)));
        assertThat(pairs.json().at("/usage/total_tokens").asInt()).isPositive();
    }

    @Test
    void scoreNamesPairsWithoutAScoreAndUnequalNumbers() {
        Http.Told partly = post("/score", "{\"data_1\":[\"red\",\"blue\",\" \"],\"data_2\":[\" \",\"mug\",\"hat\"]}");
        assertThat(partly.json().get("data").findValuesAsText("index")).containsExactly("1");
        assertThat(partly.json().get("warnings"))
                .extracting(JsonNode::asText)
                .satisfiesExactly(
                        first -> assertThat(first).startsWith("documents[0] has no score, EMPTY"),
                        last -> assertThat(last).startsWith("documents[2] has no score, QUERY_EMPTY"));
        Http.Told unequal = post("/score", "{\"text_1\":[\"a\",\"b\"],\"text_2\":[\"c\",\"d\",\"e\"]}");
        assertThat(unequal.status()).isEqualTo(400);
        assertThat(unequal.json().at("/error/message").asText())
                .contains("text_1: expected one query, or as many as text_2, 3");
        assertThat(post("/score", "{}").json().at("/error/message").asText()).contains("text_1");
    }

    private static List<Double> scores(Http.Told told) {
        return told.json().get("data").findValues("score").stream()
                .map(JsonNode::asDouble)
                .toList();
    }

    @Test
    void modelsNamesTheOne() {
        Http.Told told = http.get("/v1/models");

        assertThat(told.status()).isEqualTo(200);
        assertThat(told.json().at("/data/0/id").asText()).isEqualTo("checkpoint");
    }
}
