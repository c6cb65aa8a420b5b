package io.lychee.rerank.evaluation;

/**
 * What a measure gained, on average over the queries.
 *
 * @param low and {@code high}: 95 % of the resampled means lie between them; NaN for fewer than two queries
 * @param p how often a gain at least so large, up or down, comes from random signs alone
 */
public record Gain(double mean, double low, double high, double p) {}
