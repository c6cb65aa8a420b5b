package io.lychee.rerank.kafka;

import io.lychee.rerank.wire.DeadLetterReason;
import java.time.Instant;

/**
 * A record that could not be taken as a candidate list.
 *
 * @param message what was found, what was expected and where; for people
 * @param origin the record; its value may be cut, its {@code valueSize} is that of the whole
 */
public record DeadLetter(DeadLetterReason reason, String message, SourceRecord origin, Instant failedAt) {}
