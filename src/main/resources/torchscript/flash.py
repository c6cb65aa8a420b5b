# FlashAttention inside PyTorch, for packed sequences of any length: CUDA, compute capability 8.0 or newer, float16 or
# bfloat16. A private function of PyTorch, so whoever uses it compares it with scaled_dot_product_attention first.
import torch
from torch import Tensor
from typing import Tuple


# q (rows, heads, head_dim), k and v (keys, kv_heads, head_dim); starts: where each sequence starts, (sequences + 1),
# int32; longest: tokens of the longest sequence → output (rows, heads, head_dim), log-sum-exp, see attention.by_row
def flash_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    q_starts: Tensor,
    k_starts: Tensor,
    longest_q: int,
    longest_k: int,
    causal: bool,
) -> Tuple[Tensor, Tensor]:
    # for queries of one token PyTorch swaps heads and rows of the log-sum-exp; the length is only an upper bound
    longest_q = max(longest_q, 2)
    output, lse, _, _, _ = torch._flash_attention_forward(
        q, k, v, q_starts, k_starts, longest_q, longest_k, 0.0, causal, False
    )
    return output, lse
