/** Turns scores into an order: rules, sort, top_n. Called on the task thread, outside every lock. */
@NullMarked
package io.lychee.rerank.ranking;

import org.jspecify.annotations.NullMarked;
