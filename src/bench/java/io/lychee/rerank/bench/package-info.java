/** Measures the engine and the whole job. */
@NullMarked
package io.lychee.rerank.bench;

import org.jspecify.annotations.NullMarked;
