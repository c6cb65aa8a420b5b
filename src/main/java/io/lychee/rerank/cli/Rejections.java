package io.lychee.rerank.cli;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Reason;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Summarizes rejected candidates and advises what to check.
 *
 * @param byReason the most frequent first
 * @param candidates of all lists
 */
record Rejections(Map<Reason, Long> byReason, long candidates) {

    long count() {
        return byReason.values().stream().mapToLong(Long::longValue).sum();
    }

    /** Returns true when more than {@code percent} of the candidates were rejected. */
    boolean exceed(double percent) {
        return count() * 100.0 > percent * candidates;
    }

    String summary() {
        return "%s of %s candidates were rejected: %s"
                .formatted(
                        number(count()),
                        number(candidates),
                        byReason.entrySet().stream()
                                .map(reason -> reason.getKey() + " " + number(reason.getValue()))
                                .collect(Collectors.joining(", ")));
    }

    /** Advises on the most frequent reason. */
    String advice(RerankConfig config) {
        return byReason.keySet().stream()
                .findFirst()
                .map(reason -> advice(reason, config))
                .orElse("");
    }

    private static String advice(Reason reason, RerankConfig config) {
        return switch (reason) {
            case IMAGE_NOT_FOUND, IMAGE_FORBIDDEN, QUERY_IMAGE ->
                "file: images are looked up below "
                        + (config.limits().imageRoots().isEmpty()
                                ? "no folder"
                                : String.join(", ", config.limits().imageRoots()))
                        + " (image.roots), https: ones at their host, which must answer and be public"
                        + " (fetch.allow-private-addresses)";
            case IMAGE_UNREADABLE ->
                "the images are no JPEG, PNG, WebP, GIF or BMP files that can be decoded; open one";
            case IMAGE_TOO_LARGE -> "compare the images with image.max-bytes and image.max-decoded-pixels";
            case TOO_MANY_IMAGES -> "compare the candidates with image.max-per-candidate";
            case EMPTY, QUERY_EMPTY ->
                "the lists have neither text nor images where they should: look at the input's" + " field names";
            case OVER_BUDGET -> "compare the candidates with pass.max-tokens";
            case OUT_OF_MEMORY -> "the device has too little memory for them; lower image.max-pixels";
            default -> "each candidate says why in reason and detail";
        };
    }

    private static String number(long count) {
        return String.format(Locale.ROOT, "%,d", count);
    }
}
