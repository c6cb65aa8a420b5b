/** Reads and writes records of Kafka topics; a record that cannot be read becomes a dead letter, never an exception. */
@NullMarked
package io.lychee.rerank.kafka;

import org.jspecify.annotations.NullMarked;
