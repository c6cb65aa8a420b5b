package io.lychee.rerank.gateway;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.Usage;
import io.lychee.rerank.kafka.CandidateListDecoder;
import io.lychee.rerank.kafka.Decoded;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.kafka.TopicLines;
import io.lychee.rerank.wire.UnreadableException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The forms that lists are asked for in. Scores are never invented: what has none is not among the results. */
final class RerankApis {

    private static final ObjectMapper JSON = new ObjectMapper();

    private RerankApis() {}

    /** {@code POST /v2/rerank}, Cohere's. */
    static final class Cohere implements Api {

        @Override
        public Call read(Request request, Gateway gateway) {
            Body body = gateway.bodies().read(request.body());
            CandidateList list = body.list(gateway, false);
            String id = clientId(body, request, list);
            return new Call(
                    list,
                    reply -> scored(reply, (answer, tree) -> {
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
                    }));
        }

        @Override
        public ObjectNode error(HttpError e, @Nullable String clientId) {
            ObjectNode tree = Router.object();
            if (clientId != null) {
                tree.put("id", clientId);
            }
            return tree.put("message", e.message());
        }
    }

    /** {@code POST /v1/rerank}, Jina's; requests in vLLM's form are taken too. */
    static final class Jina implements Api {

        @Override
        public Call read(Request request, Gateway gateway) {
            Body body = gateway.bodies().read(request.body());
            CandidateList list = body.list(gateway, false);
            String id = clientId(body, request, list);
            boolean documents = body.flag("return_documents", true);
            return new Call(
                    list,
                    reply -> scored(reply, (answer, tree) -> {
                        tree.put("id", id).put("model", answer.model().name()).put("object", "list");
                        Usage usage = answer.usage();
                        long tokens = usage.textTokens() + usage.visionTokens() + usage.prefixTokens();
                        tree.putObject("usage").put("prompt_tokens", tokens).put("total_tokens", tokens);
                        ArrayNode results = tree.putArray("results");
                        for (RankedCandidate candidate : withScore(answer)) {
                            ObjectNode result = result(results.addObject(), candidate);
                            JsonNode document = body.tree().path("documents").path(candidate.retrievalRank() - 1);
                            if (documents && document.isTextual()) {
                                result.putObject("document").set("text", document);
                            } else if (documents) {
                                result.set("document", document);
                            }
                        }
                        warnings(answer, tree);
                    }));
        }

        @Override
        public ObjectNode error(HttpError e, @Nullable String clientId) {
            return Router.object().put("detail", e.message());
        }
    }

    /** {@code POST /api/rerank}: strings in, scores out. */
    static final class Simple implements Api {

        @Override
        public Call read(Request request, Gateway gateway) {
            CandidateList list = gateway.bodies().read(request.body()).list(gateway, true);
            return new Call(
                    list,
                    reply -> scored(reply, (answer, tree) -> {
                        ArrayNode results = tree.putArray("results");
                        for (RankedCandidate candidate : withScore(answer)) {
                            int index = candidate.retrievalRank() - 1;
                            results.addObject()
                                    .put("index", index)
                                    .put(
                                            "document",
                                            list.candidates()
                                                    .get(index)
                                                    .content()
                                                    .text())
                                    .put("score", candidate.score());
                        }
                    }));
        }
    }

    /** {@code POST /rerank_batch}: a Markdown table. */
    static final class Batch implements Api {

        @Override
        public Call read(Request request, Gateway gateway) {
            CandidateList list = gateway.bodies().read(request.body()).list(gateway, false);
            return new Call(list, reply -> {
                RerankedList answer = reply.answer().list();
                byte[] table = MarkdownTable.of(list, answer).getBytes(StandardCharsets.UTF_8);
                return new Response(200, "text/markdown; charset=utf-8", table, Map.of(), answer.latency());
            });
        }
    }

    /** {@code POST /api/lists}: the contract's own list and answer. */
    static final class Lists implements Api {

        private final CandidateListDecoder decoder;

        Lists(Gateway gateway) {
            RerankConfig config = gateway.config();
            // base64 is larger than the record that it becomes, which ask() looks at
            decoder = new CandidateListDecoder(
                    config.gateway().maxBodyBytes(), config.limits().maxCandidates(), Clock.systemUTC());
        }

        @Override
        public Call read(Request request, Gateway gateway) {
            // the way of the topics reads what the body may hold; that it is one plain record was looked at before
            Decoded decoded = decoder.decode(SourceRecord.line("body", 0, request.body(), 0));
            if (decoded instanceof Decoded.Refused refused) {
                throw HttpError.badRequest(refused.letter().message());
            }
            CandidateList list = ((Decoded.Taken) decoded).list();
            list.candidates().forEach(candidate -> requireNoMarkup(candidate.content(), "candidates"));
            requireNoMarkup(list.query(), "query");
            long most = gateway.listTimeoutMs();
            CandidateList own = new CandidateList(
                    gateway.nextId(),
                    list.instruction(),
                    list.attributes(),
                    list.query(),
                    list.candidates(),
                    list.topN(),
                    list.timeoutMs() == null ? most : Long.valueOf(Math.min(most, list.timeoutMs())));
            String clientId = list.requestId(); // not the whole list, which would wait with the request
            return new Call(own, reply -> {
                ObjectNode tree = json(reply.record());
                tree.put("request_id", clientId);
                byte[] body = tree.toString().getBytes(StandardCharsets.UTF_8);
                return new Response(
                        200,
                        Response.JSON,
                        body,
                        Map.of(),
                        reply.answer().list().latency());
            });
        }

        private static void requireNoMarkup(Content content, String path) {
            for (Image image : content.images()) {
                if (image instanceof Image.Bytes bytes) {
                    Body.notSvg(bytes, path + ".images");
                }
            }
        }
    }

    /** A record of a topic as a JSON tree. */
    static ObjectNode json(byte[] record) {
        try {
            String json = TopicLines.json(record);
            if (json != null && JSON.readTree(json) instanceof ObjectNode tree) {
                return tree;
            }
        } catch (JsonProcessingException | UnreadableException e) {
            throw new IllegalArgumentException(e);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        throw new IllegalArgumentException("neither Avro of a known schema nor a JSON object");
    }

    /** @throws HttpError 422 or 504, when nothing could be scored */
    private static Response scored(Reply reply, BiConsumer<RerankedList, ObjectNode> write) {
        RerankedList answer = reply.answer().list();
        if (answer.status() == ListStatus.UNSCORED) {
            throw new HttpError(
                    answer.reason() == Reason.DEADLINE ? 504 : 422,
                    "nothing could be scored, " + answer.reason() + ": " + answer.detail());
        }
        ObjectNode tree = Router.object();
        write.accept(answer, tree);
        byte[] body = tree.toString().getBytes(StandardCharsets.UTF_8);
        return new Response(200, Response.JSON, body, Map.of(), answer.latency());
    }

    private static List<RankedCandidate> withScore(RerankedList answer) {
        return answer.results().stream()
                .filter(candidate -> candidate.score() != null)
                .toList();
    }

    private static ObjectNode result(ObjectNode node, RankedCandidate candidate) {
        return node.put("index", candidate.retrievalRank() - 1).put("relevance_score", candidate.score());
    }

    /** A sentence for each document without a score, and for a list that was not finished in time. */
    private static void warnings(RerankedList answer, ObjectNode tree) {
        ArrayNode warnings = Router.object().arrayNode();
        if (answer.status() == ListStatus.PARTIAL) {
            warnings.add("not finished in time: " + answer.detail());
        }
        List<RankedCandidate> all = Stream.concat(answer.results().stream(), answer.leftOut().stream())
                .sorted(Comparator.comparingInt(RankedCandidate::retrievalRank))
                .toList();
        for (RankedCandidate candidate : all) {
            if (candidate.status() != CandidateStatus.SCORED) {
                warnings.add("documents[" + (candidate.retrievalRank() - 1) + "] has no score, " + candidate.reason()
                        + ": " + candidate.detail());
            } else if (candidate.truncated()) {
                warnings.add("documents[" + (candidate.retrievalRank() - 1) + "] was cut to fit");
            }
        }
        if (!warnings.isEmpty()) {
            tree.set("warnings", warnings);
        }
    }

    private static String clientId(Body body, Request request, CandidateList list) {
        String named = body.optionalText("request_id");
        return Objects.requireNonNullElse(named, Objects.requireNonNullElse(request.clientId(), list.requestId()));
    }
}
