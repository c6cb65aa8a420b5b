package io.lychee.rerank.gateway;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.domain.CandidateList;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** One form of request and answer over the same lists. Stateless. */
interface Api {

    /** What has no form of its own: the console's requests, health, files. */
    Api PLAIN = (request, gateway) -> {
        throw new IllegalStateException("no list to read");
    };

    /**
     * @param list under an id of this gateway's
     * @param write the answer, in the form of this API
     */
    record Call(CandidateList list, Function<Reply, Response> write) {}

    /** @throws HttpError when the body is not what it should be */
    Call read(Request request, Gateway gateway);

    /** What a client is told instead of an answer. */
    default ObjectNode error(HttpError e, @Nullable String clientId) {
        ObjectNode tree = Router.object();
        ObjectNode error = tree.putObject("error");
        error.put("status", e.status());
        error.put("message", e.message());
        return tree;
    }
}
