package io.lychee.rerank.evaluation;

import org.jspecify.annotations.Nullable;

/**
 * One candidate in a ranking.
 *
 * @param title for people; null where only the id is known
 * @param retrievalRank 1-based place before; 0 where it was not in that ranking
 * @param score of the model, or of the run; null where it has none
 * @param relevance null or negative without a judgement
 */
public record RankedDocument(
        String id,
        @Nullable String title,
        int retrievalRank,
        @Nullable Double score,
        @Nullable Integer relevance) {

    /** Returns its gain; 0 without a judgement. */
    int grade() {
        return relevance == null ? 0 : Math.max(0, relevance);
    }
}
