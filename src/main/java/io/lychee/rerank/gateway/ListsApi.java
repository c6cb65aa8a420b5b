package io.lychee.rerank.gateway;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.records.CandidateListDecoder;
import io.lychee.rerank.records.TopicLines;
import io.lychee.rerank.wire.UnreadableException;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.jspecify.annotations.Nullable;

/** Serves {@code POST /api/lists}: takes a list and gives its answer as the topics have them, in JSON. */
final class ListsApi implements Api {

    private static final ObjectMapper JSON = new ObjectMapper();

    private final CandidateListDecoder decoder;

    ListsApi(Gateway gateway) {
        RerankConfig config = gateway.config();
        // base64 is larger than the record that it becomes, which ask() looks at
        decoder = new CandidateListDecoder(
                config.gateway().maxBodyBytes(), config.limits().maxCandidates());
    }

    @Override
    public Call read(byte[] bytes, @Nullable String clientId, Gateway gateway) {
        // the way of the topics reads what the body may hold; that it is one plain record was looked at before
        CandidateList list;
        try {
            list = decoder.decode(bytes);
        } catch (UnreadableException e) {
            throw HttpError.badRequest(String.valueOf(e.getMessage()));
        }
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
        String ownId = list.requestId(); // not the whole list, which would wait with the request
        return new Call(own, reply -> {
            ObjectNode tree = json(reply.record());
            tree.put("request_id", ownId);
            return Response.json(tree, reply.answer().latency());
        });
    }

    private static void requireNoMarkup(Content content, String path) {
        for (Image image : content.images()) {
            if (image instanceof Image.Bytes bytes) {
                Body.notSvg(bytes, path + ".images");
            }
        }
    }

    /** Converts a record of a topic to a JSON tree. */
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
}
