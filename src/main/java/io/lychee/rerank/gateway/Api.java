package io.lychee.rerank.gateway;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.domain.CandidateList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Reads and writes one form of request and answer. Stateless, for the gateway's workers. */
non-sealed interface Api extends Route {

    /**
     * @param lists under ids of this gateway; at most one a candidate
     * @param write takes their answers in the same order, gives the response in the form of this API
     */
    record Call(List<CandidateList> lists, Function<List<Gateway.Reply>, Response> write) {

        Call(CandidateList list, Function<Gateway.Reply, Response> write) {
            this(List.of(list), replies -> write.apply(replies.get(0)));
        }
    }

    /**
     * @param clientId the request's {@code X-Request-Id}; null without one
     * @throws HttpError when the body is not what it should be
     */
    Call read(byte[] body, @Nullable String clientId, Gateway gateway);

    /** Writes an error in the form of this API. */
    default ObjectNode error(HttpError e, @Nullable String clientId) {
        return plainError(e);
    }

    static ObjectNode plainError(HttpError e) {
        ObjectNode tree = Response.object();
        tree.putObject("error").put("status", e.status()).put("message", e.message());
        return tree;
    }
}
