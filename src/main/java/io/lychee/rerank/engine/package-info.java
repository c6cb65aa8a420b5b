/**
 * Puts engines together: which devices, whether they can be used, and the encoder and scorer of one behind a schedule.
 */
@NullMarked
package io.lychee.rerank.engine;

import org.jspecify.annotations.NullMarked;
