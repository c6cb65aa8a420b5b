package io.lychee.rerank.wire;

import io.lychee.rerank.domain.RerankedList;
import org.jspecify.annotations.Nullable;

/**
 * An answer as it came over the wire.
 *
 * @param shortened what was left out because the answer was too large for a record; null when nothing was
 */
public record Answer(RerankedList list, @Nullable String shortened) {}
