package io.lychee.rerank.domain;

import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A query and its candidates in retrieval order: the job's unit of input.
 *
 * @param requestId 1 to 200 of {@code [A-Za-z0-9._:-]}
 * @param instruction what to judge by; null takes the configured default
 * @param topN how many candidates the answer keeps; null keeps all
 * @param timeoutMs from the record's timestamp to the answer; null takes the lane's default
 */
public record CandidateList(
        String requestId,
        @Nullable String instruction,
        Map<String, String> attributes,
        Content query,
        List<Candidate> candidates,
        @Nullable Integer topN,
        @Nullable Long timeoutMs) {

    /** Begins the ids of empty lists that gateways send to see whether a job answers. */
    public static final String HEARTBEAT = "lychee.heartbeat.";

    private static final Pattern REQUEST_ID = Pattern.compile("[A-Za-z0-9._:-]{1,200}");

    /** @throws IllegalArgumentException when a field is out of its range */
    public CandidateList {
        if (!REQUEST_ID.matcher(requestId).matches()) {
            throw new IllegalArgumentException("request_id is \"" + Unicode.cut(requestId, 60)
                    + "\"; expected 1 to 200 of letters, digits and . _ : -");
        }
        if (topN != null && topN < 1) {
            throw new IllegalArgumentException("top_n is " + topN + "; expected at least 1, or null for all");
        }
        if (timeoutMs != null && timeoutMs < 1) {
            throw new IllegalArgumentException(
                    "timeout_ms is " + timeoutMs + "; expected at least 1, or null for the lane's default");
        }
        attributes = Map.copyOf(attributes);
        candidates = List.copyOf(candidates);
    }

    public static boolean isHeartbeat(String requestId) {
        return requestId.startsWith(HEARTBEAT);
    }
}
