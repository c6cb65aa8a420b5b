/** The Flink graph, source to sink, over Kafka topics or over files. */
@NullMarked
package io.lychee.rerank.job;

import org.jspecify.annotations.NullMarked;
