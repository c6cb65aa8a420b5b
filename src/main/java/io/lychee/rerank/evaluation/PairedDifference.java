package io.lychee.rerank.evaluation;

import org.jspecify.annotations.Nullable;

/**
 * Mean gain of a measure over the queries.
 *
 * @param low and {@code high}: 95 % of the resampled means lie between them; null for fewer than two queries
 * @param p how often a gain at least so large, up or down, comes from random signs alone
 */
public record PairedDifference(
        double mean, @Nullable Double low, @Nullable Double high, double p) {

    /** For people; {@code number} is the format of one. */
    public String interval(String number, String otherwise) {
        return low == null || high == null ? otherwise : Html.format(number + " to " + number, low, high);
    }
}
