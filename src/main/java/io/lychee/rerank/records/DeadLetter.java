package io.lychee.rerank.records;

import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.wire.DeadLetterReason;
import java.time.Instant;

/**
 * Describes a record that is no candidate list.
 *
 * @param message says what was found, what was expected and where
 * @param origin the record; its value may be cut, its {@code valueSize} is that of the whole
 */
public record DeadLetter(DeadLetterReason reason, String message, SourceRecord origin, Instant failedAt) {}
