/** Reads the files of a Hugging Face checkpoint: configuration, tensors, fingerprint. */
@NullMarked
package io.lychee.rerank.checkpoint;

import org.jspecify.annotations.NullMarked;
