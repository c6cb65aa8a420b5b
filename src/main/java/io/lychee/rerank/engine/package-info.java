/** Composes engines for the devices of this JVM, after checks of machine and memory. */
@NullMarked
package io.lychee.rerank.engine;

import org.jspecify.annotations.NullMarked;
