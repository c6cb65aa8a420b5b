/**
 * Decodes records of topics and files to candidate lists, and encodes answers and dead letters; an unreadable record
 * becomes a dead letter, never an exception.
 */
@NullMarked
package io.lychee.rerank.records;

import org.jspecify.annotations.NullMarked;
