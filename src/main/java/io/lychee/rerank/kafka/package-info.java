/**
 * The wire: records of Kafka topics (and lines of files) to candidate lists, answers and dead letters to records. Avro
 * and its plain JSON form; what can't be read becomes a dead letter, never an exception.
 */
@NullMarked
package io.lychee.rerank.kafka;

import org.jspecify.annotations.NullMarked;
