/** Runs TorchScript text on DJL's PyTorch engine: libraries, devices, modules, archives. Knows no model family. */
@NullMarked
package io.lychee.rerank.torch;

import org.jspecify.annotations.NullMarked;
