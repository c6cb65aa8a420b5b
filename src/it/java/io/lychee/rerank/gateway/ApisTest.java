package io.lychee.rerank.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Every form of request and answer, and what each of them refuses, with a real broker and a real job. */
@Timeout(240)
class ApisTest extends GatewayFixture {

    @Test
    void cohere() {
        Http.Told told = post("/v2/rerank", """
                {"model":"rerank-v4.0","query":"a red dress","documents":["blue mug","red dress","red"],"top_n":2}""");

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        JsonNode answer = told.json();
        assertThat(fields(answer)).containsExactlyInAnyOrder("id", "results", "meta");
        assertThat(answer.get("results")).hasSize(2).allSatisfy(result -> {
            assertThat(fields(result)).containsExactlyInAnyOrder("index", "relevance_score");
            assertThat(result.get("index").asInt()).isBetween(0, 2);
            assertThat(result.get("relevance_score").asDouble()).isBetween(0.0, 1.0);
        });
        assertThat(answer.get("results").get(0).get("relevance_score").asDouble())
                .isGreaterThanOrEqualTo(
                        answer.get("results").get(1).get("relevance_score").asDouble());
        assertThat(answer.at("/meta/api_version/version").asText()).isEqualTo("2");
        assertThat(answer.at("/meta/billed_units/search_units").asInt()).isEqualTo(1);
        assertThat(told.header("Server-Timing")).contains("source;dur=", "score;dur=", "gateway;dur=", "total;dur=");
    }

    @Test
    void jinaWithPictures() {
        Http.Told told = post("/v1/rerank", """
                {"model":"jina-reranker-m0","query":{"image":"%s"},"instruction":"find the same",
                 "documents":["plain text",{"text":"an object"},{"image":"data:image/png;base64,%s"},
                 {"text":"both","image":"%s"}]}""".formatted(PICTURE, PICTURE, PICTURE));

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        JsonNode answer = told.json();
        assertThat(answer.get("model").asText()).isEqualTo("checkpoint");
        assertThat(answer.at("/usage/total_tokens").asInt()).isPositive();
        assertThat(answer.get("results")).hasSize(4);
        answer.get("results").forEach(result -> {
            int index = result.get("index").asInt();
            JsonNode document = result.get("document");
            assertThat(document.has("image")).isEqualTo(index >= 2);
            assertThat(document.path("text").asText("-"))
                    .isEqualTo(List.of("plain text", "an object", "-", "both").get(index));
        });
    }

    @Test
    void partsAsVllmTakesThem() {
        String part = "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64," + PICTURE + "\"}}";
        for (String path : List.of("/v1/rerank", "/v2/rerank")) {
            Http.Told told = post(path, """
                    {"model":"m","query":{"content":[{"type":"text","text":"look"},%s]},"top_n":0,
                     "return_documents":false,"request_id":"mine-7",
                     "documents":[{"content":[{"type":"text","text":"red"},%s]},{"content":"blue"}]}""".formatted(part, part));

            assertThat(told.status()).as(told.body()).isEqualTo(200);
            assertThat(told.json().get("results")).hasSize(2);
            assertThat(told.json().at("/results/0").has("document")).isFalse();
            assertThat(told.json().get("id").asText()).isEqualTo("mine-7");
        }
    }

    @Test
    void aPictureIsOneInEveryFieldAndSpelling() {
        String bytes = "data:application/octet-stream;base64," + PICTURE;
        String spaced = " DATA: image/png ; base64, " + PICTURE.replaceFirst("=+$", "") + " ";
        String bare = "\\n" + PICTURE.substring(0, 40) + "\\n" + PICTURE.substring(40);
        for (String path : List.of("/v1/rerank", "/v2/rerank", "/rerank_batch")) {
            Http.Told told = http.post(path, """
                    {"model":"m","query":"red","documents":["%1$s","data:;base64,%2$s","%3$s",{"image":"%3$s"},{"image":"%4$s"},
                     {"content":[{"type":"image_url","image_url":{"url":"%3$s"}}]},{"image":"%1$s"}]}""".formatted(bytes, PICTURE, spaced, bare));

            assertThat(told.status()).as(told.body()).isEqualTo(200);
            if (path.equals("/rerank_batch")) {
                assertThat(told.body().lines().skip(2).map(line -> line.split("\\|", -1)[3]))
                        .hasSize(7)
                        .allMatch(score -> score.strip().matches("[\\d.]+"));
                assertThat(told.body()
                                .lines()
                                .skip(2)
                                .map(line -> line.split("\\|", -1)[3])
                                .distinct())
                        .hasSize(1);
            } else {
                assertThat(told.json().findValuesAsText("relevance_score")).hasSize(7);
                assertThat(told.json().findValues("relevance_score"))
                        .allSatisfy(score -> assertThat(score.asDouble())
                                .isCloseTo(
                                        told.json()
                                                .at("/results/0/relevance_score")
                                                .asDouble(),
                                        within(1e-4)));
            }
        }
        Http.Told text = http.post("/v1/rerank", "{\"query\":\"red\",\"documents\":[\"data: the new oil, they say\"]}");
        assertThat(text.json().at("/results/0/document/text").asText()).isEqualTo("data: the new oil, they say");
        assertThat(text.json().get("results")).hasSize(1);
    }

    @Test
    void halvesOfPairsAreTheSameOnEveryRoute() {
        double expected = scores(post("/api/lists", """
                {"request_id":"x","query":{"text":"red \\ud83d"},"candidates":[{"id":"a","text":"red \\udc5f"}]}"""), "score").get(0);
        for (String path : List.of("/v1/rerank", "/v2/rerank", "/api/rerank")) {
            Http.Told told = http.post(path, """
                    {"model":"m","query":"red \\ud83d","documents":["red \\udc5f"]}""");
            assertThat(scores(told, path.startsWith("/api") ? "score" : "relevance_score"))
                    .allSatisfy(score -> assertThat(score).isCloseTo(expected, within(1e-4)))
                    .hasSize(1);
            assertThat(told.body()).doesNotContain("?");
        }
        Http.Told parts = http.post("/v1/rerank", """
                {"query":{"text":"red \\ud83d"},"documents":[{"content":[{"type":"text","text":"red \\udc5f"}]},{"text":"red \uFFFD"}]}""");
        assertThat(scores(parts, "relevance_score"))
                .allSatisfy(score -> assertThat(score).isCloseTo(expected, within(1e-4)))
                .hasSize(2);
        Http.Told table = http.post("/rerank_batch", "{\"query\":\"red\",\"documents\":[\"red \\ud83d\"]}");
        assertThat(table.body()).contains("red \uFFFD");
    }

    private static List<Double> scores(Http.Told told, String field) {
        assertThat(told.status()).as(told.body()).isEqualTo(200);
        return told.json().findValues(field).stream().map(JsonNode::asDouble).toList();
    }

    @Test
    void aDocumentWithoutScoreIsNotAmongTheResultsButSaidSo() {
        Http.Told told = post("/v2/rerank", """
                {"model":"m","query":"red","documents":["red",{"image":"bm8gcGljdHVyZQ=="},""]}""");

        assertThat(told.json().get("results")).hasSize(1);
        assertThat(told.json().at("/meta/warnings")).hasSize(2);
        assertThat(told.json().at("/meta/warnings/0").asText()).contains("documents[1]", "IMAGE_UNREADABLE");
        Http.Told jina = post("/v1/rerank", "{\"query\":\"red\",\"documents\":[\"red\",\"\"]}");
        assertThat(jina.json().get("warnings")).hasSize(1);
    }

    @Test
    void plainStrings() {
        Http.Told told = post("/api/rerank", "{\"query\":\"red\",\"documents\":[\"blue\",\"red\"],\"top_n\":1}");

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        assertThat(told.json().get("results")).hasSize(1);
        JsonNode first = told.json().at("/results/0");
        assertThat(first.get("document").asText())
                .isEqualTo(List.of("blue", "red").get(first.get("index").asInt()));
        assertThat(first.get("score").asDouble()).isBetween(0.0, 1.0);
        refused("/api/rerank", "{\"query\":\"red\",\"documents\":[{\"text\":\"a\"}]}", 400, "documents[0]", "a string");
    }

    @Test
    void aMarkdownTableThatNoDocumentCanBreak() {
        String hostile = "<script>alert(1)</script> | ![x](javascript:y) \\n| 1 | `a` \\u2028 **b** \\\\";
        Http.Told told = post("/rerank_batch", """
                {"instruction":"which is red?","query":{"text":"red","image":"%s"},
                 "documents":[{"text":"%s"},{"text":"red"},{"text":"","image":""},{"image":"bm8="}]}""".formatted(PICTURE, hostile).replace(",\"image\":\"\"", ""));

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        assertThat(told.header("Content-Type")).startsWith("text/markdown");
        List<String> lines = told.body().lines().toList();
        assertThat(lines.get(0)).isEqualTo("| rank | was | score | band | document | note |");
        assertThat(lines).hasSize(6);
        assertThat(lines.subList(2, 6))
                .allSatisfy(line ->
                        assertThat(line.split("(?<!\\\\)\\|", -1)).as(line).hasSize(8));
        assertThat(told.body())
                .contains("&lt;script&gt;", "\\|", "\\!\\[x\\]")
                .doesNotContain("<script", "\u2028")
                .contains("rejected because EMPTY", "rejected because IMAGE\\_UNREADABLE".replace("\\_", "_"));
    }

    @Test
    void theContractsOwnList() {
        Http.Told told = post("/api/lists", """
                {"request_id":"mine","attributes":{"group":"g"},"query":{"text":"red"},"top_n":1,"candidates":[
                 {"id":"a","text":"red"},{"id":"b","text":"blue","attributes":{"sales":"9"},"relevance":2}]}""");

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        JsonNode answer = told.json();
        assertThat(answer.get("request_id").asText()).isEqualTo("mine");
        assertThat(answer.get("status").asText()).isEqualTo("COMPLETE");
        assertThat(answer.at("/results/0/id").asText()).isEqualTo("b");
        assertThat(answer.at("/results/0/rules/0").asText()).isEqualTo("favourite");
        assertThat(answer.at("/left_out/0/reason").asText()).isEqualTo("TOP_N");
        assertThat(answer.at("/latency/total").asLong()).isPositive();
        refused("/api/lists", "{\"request_id\":\"mine\"}", 400, "query is missing");
        refused("/api/lists", "{\"request_id\":\"no name!\",\"query\":{},\"candidates\":[]}", 400, "request_id");
    }

    @Test
    void aQueryThatCannotBeReadIsRefusedWhereScoresArePromised() {
        refused("/v2/rerank", "{\"model\":\"m\",\"query\":\" \",\"documents\":[\"a\"]}", 422, "QUERY_EMPTY");
    }

    @Test
    void aDeadLetterIsItsReason() {
        String documents = String.join(",", java.util.Collections.nCopies(35, "\"red\""));
        for (String path : List.of("/v1/rerank", "/v2/rerank", "/api/rerank", "/rerank_batch")) {
            refused(
                    path,
                    "{\"model\":\"m\",\"query\":\"red\",\"documents\":[" + documents + "]}",
                    422,
                    "INVALID",
                    "30");
        }
    }

    @Test
    void whatIsNoRequestIsRefusedInTheFormOfItsApi() {
        for (String path : List.of("/v1/rerank", "/v2/rerank", "/api/rerank", "/rerank_batch")) {
            refused(path, "{\"query\":", 400, "not JSON");
            refused(path, "[]", 400, "an object");
            refused(path, "{} {}", 400, "not JSON");
            refused(path, "{\"model\":\"m\",\"documents\":[\"a\"]}", 400, "query is missing");
            refused(path, "{\"model\":\"m\",\"query\":\"a\"}", 400, "documents is missing");
            refused(path, "{\"model\":\"m\",\"query\":\"a\",\"documents\":[]}", 400, "at least one");
            refused(path, "{\"model\":\"m\",\"query\":\"a\",\"documents\":[7]}", 400, "documents[0]", "found 7");
            refused(path, "{\"model\":\"m\",\"query\":\"a\",\"documents\":[\"a\"],\"top_n\":-1}", 400, "top_n");
            refused(path, "{\"a\":".repeat(100_000), 400, "nesting");
            String many = String.join(",", java.util.Collections.nCopies(10_000, "\"a\""));
            refused(path, "{\"query\":\"a\",\"documents\":[" + many + "]}", 400, "10000", "list.max-candidates");
        }
        String svg = Base64.getEncoder()
                .encodeToString("\n<svg xmlns='http://www.w3.org/2000/svg'/>"
                        .getBytes(java.nio.charset.StandardCharsets.UTF_8));
        refused(
                "/v1/rerank",
                "{\"query\":{\"image\":\"" + svg + "\"},\"documents\":[\"a\"]}",
                400,
                "query.image",
                "SVG");
        refused(
                "/api/lists",
                "{\"request_id\":\"a\",\"query\":{\"images\":[\"data:image/svg+xml;base64," + svg
                        + "\"]},\"candidates\":[]}",
                400,
                "SVG");
        refused("/v1/rerank", "{\"query\":{\"image\":\"file:/etc/passwd\"},\"documents\":[\"a\"]}", 400, "query.image");
    }
}
