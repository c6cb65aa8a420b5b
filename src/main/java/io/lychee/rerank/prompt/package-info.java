/**
 * Turns a list into prompt tokens and resized images, exactly as the reference does. The only user of the tokenizer.
 */
@NullMarked
package io.lychee.rerank.prompt;

import org.jspecify.annotations.NullMarked;
