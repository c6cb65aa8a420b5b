/**
 * How candidates become passes over the network and scores become a ranking: encode, schedule, score, rank. Knows
 * neither Flink nor tensors, so all of it is tested in milliseconds.
 */
@NullMarked
package io.lychee.rerank.scoring;

import org.jspecify.annotations.NullMarked;
