/**
 * Encodes candidates, schedules them into passes over the network and scores them. Knows neither Flink nor tensors, so
 * all of it is tested in milliseconds.
 */
@NullMarked
package io.lychee.rerank.scoring;

import org.jspecify.annotations.NullMarked;
