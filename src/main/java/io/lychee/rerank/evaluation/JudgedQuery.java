package io.lychee.rerank.evaluation;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A query, its rankings and what is known about its documents.
 *
 * @param before null where only one ranking is looked at
 * @param after the ranking to judge, best place first
 * @param judged grades of all judged documents, also of those that were not ranked, in any order
 */
public record JudgedQuery(
        String id,
        Map<String, String> attributes,
        @Nullable List<RankedDocument> before,
        List<RankedDocument> after,
        List<Integer> judged) {

    public JudgedQuery {
        attributes = Map.copyOf(attributes);
        before = before == null ? null : List.copyOf(before);
        after = List.copyOf(after);
        judged = List.copyOf(judged);
    }
}
