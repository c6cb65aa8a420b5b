package io.lychee.rerank.kafka;

import java.util.Map;
import org.apache.flink.api.connector.source.SourceEvent;
import org.apache.kafka.common.TopicPartition;

/**
 * Reports the offsets from which one subtask would have to read again, as of a checkpoint.
 *
 * @param offsets the lowest unanswered one of each partition, or else the next one to read
 */
record UnansweredOffsets(long checkpoint, Map<TopicPartition, Long> offsets) implements SourceEvent {}
