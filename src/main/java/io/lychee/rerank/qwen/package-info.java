/**
 * The device side: Qwen2.5-VL as TorchScript text (see {@code src/main/resources/torchscript}) run by DJL's PyTorch
 * engine, fed from a Hugging Face checkpoint directory. The only package that sees tensors.
 *
 * <p>Dimensions, everywhere: <b>rows</b> are the tokens of all segments of a pass, one behind the other; <b>patches</b>
 * are the squares of 14 × 14 pixels of all its images, <b>cells</b> the 2 × 2 patches that make one token. An image is
 * its cells row by row, a cell its patches row by row.
 */
@NullMarked
package io.lychee.rerank.qwen;

import org.jspecify.annotations.NullMarked;
