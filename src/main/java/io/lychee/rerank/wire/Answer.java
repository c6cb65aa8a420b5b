package io.lychee.rerank.wire;

import io.lychee.rerank.domain.RerankedList;
import org.jspecify.annotations.Nullable;

/**
 * Pairs a decoded answer with its loss.
 *
 * @param shortened names the parts left out because the answer was too large for a record; null when it is whole
 */
public record Answer(RerankedList list, @Nullable String shortened) {}
