/** Ranking quality, with trec_eval's definitions. */
@NullMarked
package io.lychee.rerank.evaluation;

import org.jspecify.annotations.NullMarked;
