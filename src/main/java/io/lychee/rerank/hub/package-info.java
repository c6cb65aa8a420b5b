/** Downloads model checkpoints from Hugging Face and ModelScope into the caches of their Python clients. */
@NullMarked
package io.lychee.rerank.hub;

import org.jspecify.annotations.NullMarked;
