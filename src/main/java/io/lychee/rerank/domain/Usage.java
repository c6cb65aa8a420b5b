package io.lychee.rerank.domain;

/**
 * Cost of a list in tokens and images.
 *
 * @param textTokens text tokens of the candidates
 * @param visionTokens image tokens of the candidates
 * @param prefixTokens tokens of the query's side, computed once a pass instead of once a candidate
 * @param cacheHits images whose vision output was found in the cache
 */
public record Usage(long textTokens, long visionTokens, long prefixTokens, long cacheHits) {

    public Usage plus(Usage other) {
        return new Usage(
                textTokens + other.textTokens,
                visionTokens + other.visionTokens,
                prefixTokens + other.prefixTokens,
                cacheHits + other.cacheHits);
    }
}
