/**
 * Runs Qwen2.5-VL and Qwen3-VL: TorchScript text (see {@code src/main/resources/torchscript}) on PyTorch, fed from a
 * Hugging Face checkpoint. Packing, positions and the vision cache are computed here, in Java.
 *
 * <p>Dimensions, everywhere: <b>rows</b> are the tokens of all prompt parts of a pass, packed; <b>patches</b> are the
 * squares of 14 × 14 or 16 × 16 pixels of all its images, <b>cells</b> the 2 × 2 patches that make one token. An image
 * is its cells row by row, a cell its patches row by row.
 */
@NullMarked
package io.lychee.rerank.qwen;

import org.jspecify.annotations.NullMarked;
