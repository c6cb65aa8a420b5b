/** Runs TorchScript text with DJL's PyTorch engine: libraries, devices, modules. Knows no model family. */
@NullMarked
package io.lychee.rerank.torch;

import org.jspecify.annotations.NullMarked;
