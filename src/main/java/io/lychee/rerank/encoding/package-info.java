/**
 * The CPU side: prompt and text to token ids, image references to bytes to resized RGB, exactly as the reference
 * implementation does it. The only user of the tokenizer library.
 */
@NullMarked
package io.lychee.rerank.encoding;

import org.jspecify.annotations.NullMarked;
