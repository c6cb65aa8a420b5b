/** The async Flink function that hands lists to the engine of its device, and its metrics. */
@NullMarked
package io.lychee.rerank.operator;

import org.jspecify.annotations.NullMarked;
