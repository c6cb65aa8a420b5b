package io.lychee.rerank.gateway;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.lychee.rerank.domain.Unicode;
import java.io.IOException;
import java.util.Set;

/** Parses request bodies, bounded in depth and tokens; skips fields that no API knows. Safe for any thread. */
final class BodyReader {

    private static final int MAX_DEPTH = 32;

    /** The fields that some API knows; others have no effect. */
    private static final Set<String> FIELDS = Set.of(
            "query",
            "documents",
            "items",
            "instruction",
            "top_n",
            "request_id",
            "return_documents",
            "property",
            "texts",
            "raw_scores",
            "return_text",
            "truncate",
            "passages",
            "queries",
            "text_1",
            "text_2",
            "data_1",
            "data_2");

    private static final JsonFactory TOKENS = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_DEPTH)
                    .maxStringLength(Integer.MAX_VALUE)
                    .build())
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .build();

    private static final JsonMapper TREES = JsonMapper.builder(new JsonFactoryBuilder(TOKENS)
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .build())
            .nodeFactory(new WellFormed())
            .build();

    /** Makes every string of a body valid Unicode, as records of topics are. */
    private static final class WellFormed extends JsonNodeFactory {

        private static final long serialVersionUID = 1;

        @Override
        public TextNode textNode(String text) {
            return super.textNode(Unicode.wellFormed(text));
        }
    }

    private final int maxTokens;

    BodyReader(int maxTokens) {
        this.maxTokens = maxTokens;
    }

    /**
     * Counts the tokens of a body before anything is built of them.
     *
     * @throws HttpError 400 when it is not one JSON value, too deep, or of too many tokens
     */
    int count(byte[] body) {
        int tokens = 0;
        boolean ended = false;
        try (JsonParser in = TOKENS.createParser(body)) {
            while (in.nextToken() != null) {
                if (ended) {
                    throw HttpError.badRequest("the body is not JSON: more behind its end, at byte "
                            + in.currentTokenLocation().getByteOffset());
                }
                if (++tokens > maxTokens) {
                    throw HttpError.badRequest("the body has more than " + maxTokens
                            + " JSON tokens; no more are taken (gateway.max-body-tokens)");
                }
                ended = in.getParsingContext().inRoot();
            }
            return tokens;
        } catch (IOException e) {
            throw notJson(e);
        }
    }

    /** @throws HttpError 400 when the body is no object, or a field occurs twice */
    Body read(byte[] body) {
        try (JsonParser in = TREES.createParser(body)) {
            JsonToken first = in.nextToken();
            if (first != JsonToken.START_OBJECT) {
                throw Body.wrong("the body", "an object", TREES.readTree(body));
            }
            ObjectNode tree = Response.object();
            for (String name = in.nextFieldName(); name != null; name = in.nextFieldName()) {
                in.nextToken();
                if (FIELDS.contains(name)) {
                    tree.set(name, TREES.readTree(in));
                } else {
                    in.skipChildren();
                }
            }
            return new Body(tree);
        } catch (IOException e) {
            throw notJson(e);
        }
    }

    private static HttpError notJson(IOException e) {
        String message = e instanceof JsonProcessingException broken && broken.getLocation() != null
                ? ", at byte " + broken.getLocation().getByteOffset() + ": " + broken.getOriginalMessage()
                : ": " + e.getMessage();
        return HttpError.badRequest("the body is not JSON" + message);
    }
}
