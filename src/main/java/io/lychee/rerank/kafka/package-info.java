/** Reads and writes records of Kafka topics: Flink's sources and sinks, offsets, and the topics themselves. */
@NullMarked
package io.lychee.rerank.kafka;

import org.jspecify.annotations.NullMarked;
