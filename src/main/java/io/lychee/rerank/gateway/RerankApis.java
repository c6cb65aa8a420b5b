package io.lychee.rerank.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.Usage;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Reads and writes the forms of Cohere, Jina, vLLM and the original Lychee. A document without a score is not among the
 * results.
 */
final class RerankApis {

    private RerankApis() {}

    /** Reads a form of request from a parsed body. */
    interface Form extends Api {

        @Override
        default Call read(byte[] body, @Nullable String clientId, Gateway gateway) {
            return read(gateway.bodies().read(body), clientId, gateway);
        }

        Call read(Body body, @Nullable String clientId, Gateway gateway);
    }

    /** Serves {@code POST /v2/rerank} in the form of Cohere. */
    static final class Cohere implements Form {

        @Override
        public Call read(Body body, @Nullable String clientId, Gateway gateway) {
            CandidateList list = body.list(gateway, false);
            String id = requestId(body, clientId, list);
            return call(list, (answer, tree) -> {
                tree.put("id", id);
                ArrayNode results = tree.putArray("results");
                for (RankedCandidate candidate : withScore(answer)) {
                    result(results.addObject(), candidate);
                }
                ObjectNode meta = tree.putObject("meta");
                meta.putObject("api_version").put("version", "2");
                // one unit for every hundred documents, as Cohere counts
                meta.putObject("billed_units")
                        .put("search_units", (list.candidates().size() + 99) / 100);
                warnings(answer, meta);
            });
        }

        @Override
        public ObjectNode error(HttpError e, @Nullable String clientId) {
            ObjectNode tree = Response.object();
            if (clientId != null) {
                tree.put("id", clientId);
            }
            return tree.put("message", e.message());
        }
    }

    /** Serves {@code POST /v1/rerank} in the form of Jina; takes requests in the form of vLLM too. */
    static final class Jina implements Form {

        @Override
        public Call read(Body body, @Nullable String clientId, Gateway gateway) {
            CandidateList list = body.list(gateway, false);
            String id = requestId(body, clientId, list);
            boolean documents = body.flag("return_documents", true);
            return call(list, (answer, tree) -> {
                tree.put("id", id).put("model", answer.model().name()).put("object", "list");
                usage(answer, tree);
                ArrayNode results = tree.putArray("results");
                for (RankedCandidate candidate : withScore(answer)) {
                    ObjectNode result = result(results.addObject(), candidate);
                    JsonNode document = body.items("documents").path(index(candidate));
                    if (documents && document.isTextual()) {
                        result.putObject("document").set("text", document);
                    } else if (documents) {
                        result.set("document", document);
                    }
                }
                warnings(answer, tree);
            });
        }

        @Override
        public ObjectNode error(HttpError e, @Nullable String clientId) {
            return Response.object().put("detail", e.message());
        }
    }

    /** Serves {@code POST /api/rerank}: takes strings, answers scores. */
    static final class Simple implements Form {

        @Override
        public Call read(Body body, @Nullable String clientId, Gateway gateway) {
            CandidateList list = body.list(gateway, true);
            return call(list, (answer, tree) -> {
                ArrayNode results = tree.putArray("results");
                for (RankedCandidate candidate : withScore(answer)) {
                    int index = index(candidate);
                    String text = list.candidates().get(index).content().text();
                    results.addObject()
                            .put("index", index)
                            .put("document", text)
                            .put("score", candidate.score());
                }
            });
        }
    }

    /** Serves {@code POST /rerank_batch}: answers a Markdown table. */
    static final class Batch implements Form {

        @Override
        public Call read(Body body, @Nullable String clientId, Gateway gateway) {
            CandidateList list = body.list(gateway, false);
            return new Call(list, reply -> {
                RerankedList answer = reply.answer();
                byte[] table = MarkdownTable.of(list, answer).getBytes(StandardCharsets.UTF_8);
                return new Response(200, "text/markdown; charset=utf-8", table, answer.latency());
            });
        }
    }

    /** Answers 422 or 504 where nothing could be scored. */
    static Api.Call call(CandidateList list, BiConsumer<RerankedList, ObjectNode> write) {
        return answer(list, answer -> {
            ObjectNode tree = Response.object();
            write.accept(answer, tree);
            return tree;
        });
    }

    /** Answers any JSON value; 422 or 504 where nothing could be scored. */
    static Api.Call answer(CandidateList list, Function<RerankedList, JsonNode> write) {
        return new Api.Call(list, reply -> response(reply.answer(), write));
    }

    /** @throws HttpError 422 or 504 where nothing could be scored */
    static Response response(RerankedList answer, Function<RerankedList, JsonNode> write) {
        if (answer.status() == ListStatus.UNSCORED) {
            throw new HttpError(
                    answer.reason() == Reason.DEADLINE ? 504 : 422,
                    "nothing could be scored, " + answer.reason() + ": " + answer.detail());
        }
        return Response.json(write.apply(answer), answer.latency());
    }

    static void usage(RerankedList answer, ObjectNode tree) {
        Usage usage = answer.usage();
        long tokens = usage.textTokens() + usage.visionTokens() + usage.prefixTokens();
        tree.putObject("usage").put("prompt_tokens", tokens).put("total_tokens", tokens);
    }

    static List<RankedCandidate> withScore(RerankedList answer) {
        return answer.results().stream()
                .filter(candidate -> candidate.score() != null)
                .toList();
    }

    private static ObjectNode result(ObjectNode node, RankedCandidate candidate) {
        return node.put("index", index(candidate)).put("relevance_score", candidate.score());
    }

    /** Adds a sentence for each document without a score or cut, and for a list not finished in time. */
    static void warnings(RerankedList answer, ObjectNode tree) {
        ArrayNode warnings = tree.arrayNode();
        if (answer.status() == ListStatus.PARTIAL) {
            warnings.add("not finished in time: " + answer.detail());
        }
        inOrder(answer).forEach(candidate -> {
            String document = "documents[" + candidate.id() + "]";
            if (candidate.status() != CandidateStatus.SCORED) {
                warnings.add(document + " has no score, " + candidate.reason() + ": " + candidate.detail());
            } else if (candidate.truncated()) {
                warnings.add(document + " was cut to fit");
            }
        });
        if (!warnings.isEmpty()) {
            tree.set("warnings", warnings);
        }
    }

    /** Returns every candidate in the order of the request's documents, whose places {@link Body#list} makes ids. */
    static Stream<RankedCandidate> inOrder(RerankedList answer) {
        return answer.all().sorted(Comparator.comparingInt(RerankApis::index));
    }

    /** Returns the 0-based place among the request's documents. */
    static int index(RankedCandidate candidate) {
        return Integer.parseInt(candidate.id());
    }

    static String requestId(Body body, @Nullable String clientId, CandidateList list) {
        String named = body.optionalText("request_id");
        return Objects.requireNonNullElse(named, Objects.requireNonNullElse(clientId, list.requestId()));
    }
}
