# Calls PyTorch's FlashAttention for packed sequences of any length: CUDA, compute capability 8.0 or newer, float16 or
# bfloat16. The function is private to PyTorch: compare it with scaled_dot_product_attention before use.
import torch
from torch import Tensor
from typing import Tuple


# Attends within sequences. q (rows, heads, head_dim), k and v (keys, kv_heads, head_dim); starts: first row of each
# sequence and the end of the last, (sequences + 1), int32; longest: rows of the longest sequence
# → output (rows, heads, head_dim), log-sum-exp, see attention.by_row
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
    # PyTorch swaps heads and rows of the log-sum-exp when the longest query is one token; a higher bound avoids that
    longest_q = max(longest_q, 2)
    output, lse, _, _, _ = torch._flash_attention_forward(
        q, k, v, q_starts, k_starts, longest_q, longest_k, 0.0, causal, False
    )
    return output, lse
