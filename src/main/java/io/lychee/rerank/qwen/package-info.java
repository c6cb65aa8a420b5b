/**
 * The device side: Qwen2.5-VL as TorchScript text (see {@code src/main/resources/torchscript}) run by DJL's PyTorch
 * engine, fed from a Hugging Face checkpoint directory. The only package that sees tensors.
 */
@NullMarked
package io.lychee.rerank.qwen;

import org.jspecify.annotations.NullMarked;
