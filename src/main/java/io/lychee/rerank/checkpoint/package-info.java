/** Reads the files of a Hugging Face checkpoint folder: settings, tensors and fingerprint. */
@NullMarked
package io.lychee.rerank.checkpoint;

import org.jspecify.annotations.NullMarked;
