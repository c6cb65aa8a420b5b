/** Fetches, decodes and resizes images exactly as the reference does, within bounds of bytes, pixels and time. */
@NullMarked
package io.lychee.rerank.image;

import org.jspecify.annotations.NullMarked;
