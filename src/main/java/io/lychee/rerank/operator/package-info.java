/** The async Flink function that hands lists of records to the engine of its device. */
@NullMarked
package io.lychee.rerank.operator;

import org.jspecify.annotations.NullMarked;
