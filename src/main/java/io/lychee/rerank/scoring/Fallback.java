package io.lychee.rerank.scoring;

/** What a scorer computes more slowly than it was asked to; its log at the start says why. */
public enum Fallback {
    /** The CPU, because the setting is auto and there is no GPU. */
    CPU,
    /** Plain attention on a GPU: own attention and FlashAttention are missing there or differ. */
    ATTENTION,
    /** PyTorch's operations on a GPU, because own kernels can't be compiled there or differ. */
    KERNELS
}
