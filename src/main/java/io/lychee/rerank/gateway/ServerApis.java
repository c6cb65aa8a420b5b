package io.lychee.rerank.gateway;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.Usage;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads and writes the forms of model servers: vLLM, Text Embeddings Inference, Weaviate's module and NVIDIA's NIM. */
final class ServerApis {

    private ServerApis() {}

    /** Serves {@code POST /rerank}, which many servers have: the fields of a body tell whose form it is. */
    static final class ByShape implements RerankApis.Form {

        private final RerankApis.Form jina = new RerankApis.Jina();
        private final RerankApis.Form tei = new TextEmbeddingsInference();
        private final RerankApis.Form weaviate = new Weaviate();

        @Override
        public Call read(Body body, @Nullable String clientId, Gateway gateway) {
            RerankApis.Form form = body.has("texts") ? tei : body.has("property") ? weaviate : jina;
            return form.read(body, clientId, gateway);
        }

        /** Writes the message where each of the forms has it. */
        @Override
        public ObjectNode error(HttpError e, @Nullable String clientId) {
            return Response.object()
                    .put("detail", e.message())
                    .put("error", e.message())
                    .put("error_type", e.status() < 500 ? "Validation" : "Backend");
        }
    }

    /** Takes {@code texts}, answers an array, best first. */
    private static final class TextEmbeddingsInference implements RerankApis.Form {

        @Override
        public Call read(Body body, @Nullable String clientId, Gateway gateway) {
            CandidateList list = body.list(gateway, "query", "texts", false);
            boolean raw = body.flag("raw_scores", false);
            boolean texts = body.flag("return_text", false);
            boolean mayCut = body.flag("truncate", true);
            return RerankApis.answer(list, answer -> {
                requireWhole(answer, "texts", mayCut, "truncate is false");
                ArrayNode results = Response.object().arrayNode();
                for (RankedCandidate candidate : RerankApis.withScore(answer)) {
                    int index = RerankApis.index(candidate);
                    ObjectNode result = results.addObject().put("index", index);
                    result.put("score", raw ? candidate.logit() : candidate.score());
                    if (texts) {
                        result.set("text", body.items("texts").path(index));
                    }
                }
                return results;
            });
        }
    }

    /** Takes {@code property}, answers every document in the order of the request, as its client counts them. */
    private static final class Weaviate implements RerankApis.Form {

        @Override
        public Call read(Body body, @Nullable String clientId, Gateway gateway) {
            CandidateList list = body.list(gateway, false);
            return RerankApis.call(list, (answer, tree) -> {
                ArrayNode scores = tree.putArray("scores");
                RerankApis.inOrder(answer).forEach(candidate -> {
                    ObjectNode score = scores.addObject();
                    score.set("document", body.items("documents").path(RerankApis.index(candidate)));
                    score.put("score", candidate.score());
                });
            });
        }
    }

    /** Serves {@code POST /v1/ranking} in the form of NVIDIA's NIM: logits, best first. */
    static final class Nvidia implements RerankApis.Form {

        @Override
        public Call read(Body body, @Nullable String clientId, Gateway gateway) {
            CandidateList list = body.list(gateway, "query", "passages", false);
            boolean mayCut = !"NONE".equalsIgnoreCase(body.optionalText("truncate"));
            return RerankApis.call(list, (answer, tree) -> {
                requireWhole(answer, "passages", mayCut, "truncate is NONE");
                ArrayNode rankings = tree.putArray("rankings");
                for (RankedCandidate candidate : RerankApis.withScore(answer)) {
                    rankings.addObject()
                            .put("index", RerankApis.index(candidate))
                            .put("logit", candidate.logit());
                }
                RerankApis.usage(answer, tree);
                RerankApis.warnings(answer, tree);
            });
        }

        @Override
        public ObjectNode error(HttpError e, @Nullable String clientId) {
            return Response.object().put("error", e.message()).put("detail", e.message());
        }
    }

    /** Serves {@code POST /score} in the form of vLLM: one query for all documents, or one for each, in their order. */
    static final class Score implements RerankApis.Form {

        private static final List<List<String>> FIELDS = List.of(
                List.of("text_1", "text_2"),
                List.of("data_1", "data_2"),
                List.of("queries", "items"),
                List.of("queries", "documents"));

        @Override
        public Call read(Body body, @Nullable String clientId, Gateway gateway) {
            List<String> fields = FIELDS.stream()
                    .filter(names -> body.has(names.get(1)))
                    .findFirst()
                    .orElse(FIELDS.get(0));
            List<CandidateList> lists = body.pairs(gateway, fields.get(0), fields.get(1));
            String id = RerankApis.requestId(body, clientId, lists.get(0));
            return new Call(
                    lists,
                    replies -> RerankApis.response(together(replies), answer -> {
                        ObjectNode tree = Response.object()
                                .put("id", id)
                                .put("object", "list")
                                .put("model", answer.model().name())
                                .put("created", answer.answeredAt().getEpochSecond());
                        ArrayNode data = tree.putArray("data");
                        RerankApis.inOrder(answer)
                                .filter(candidate -> candidate.score() != null)
                                .forEach(candidate -> data.addObject()
                                        .put("index", RerankApis.index(candidate))
                                        .put("object", "score")
                                        .put("score", candidate.score()));
                        RerankApis.usage(answer, tree);
                        RerankApis.warnings(answer, tree);
                        return tree;
                    }));
        }

        /** Joins the answers to one: late where one is late, as slow as the slowest, without a score if all are. */
        private static RerankedList together(List<Gateway.Reply> replies) {
            List<RerankedList> answers =
                    replies.stream().map(Gateway.Reply::answer).toList();
            RerankedList slowest = Collections.max(
                    answers, Comparator.comparingLong(answer -> answer.latency().total()));
            RerankedList told = answers.stream()
                    .filter(answer -> answer.reason() == Reason.DEADLINE)
                    .findFirst()
                    .orElse(answers.get(0));
            boolean none = answers.stream().allMatch(answer -> answer.status() == ListStatus.UNSCORED);
            ListStatus status = none
                    ? ListStatus.UNSCORED
                    : told.reason() == Reason.DEADLINE ? ListStatus.PARTIAL : ListStatus.COMPLETE;
            return new RerankedList(
                    told.requestId(),
                    status,
                    told.reason(),
                    told.detail(),
                    slowest.answeredAt(),
                    answers.stream()
                            .flatMap(answer -> answer.results().stream())
                            .toList(),
                    answers.stream()
                            .flatMap(answer -> answer.leftOut().stream())
                            .toList(),
                    slowest.latency(),
                    answers.stream()
                            .map(RerankedList::usage)
                            .reduce(Usage::plus)
                            .orElse(told.usage()),
                    told.model(),
                    Map.of(),
                    null);
        }

        @Override
        public ObjectNode error(HttpError e, @Nullable String clientId) {
            ObjectNode tree = Response.object();
            tree.putObject("error")
                    .put("message", e.message())
                    .put("type", "BadRequestError")
                    .put("code", e.status());
            return tree;
        }
    }

    /** @throws HttpError 413 where a text was cut and the client wants none to be */
    private static void requireWhole(RerankedList answer, String field, boolean mayCut, String wish) {
        if (!mayCut) {
            answer.all().filter(RankedCandidate::truncated).findFirst().ifPresent(candidate -> {
                throw new HttpError(
                        413,
                        "%s[%d] is longer than text.max-candidate-tokens, and %s"
                                .formatted(field, RerankApis.index(candidate), wish));
            });
        }
    }
}
