# Attention over packed sequences: rows of all sequences lie one behind the other, without padding.
# The layers call attend_blocks and attend_segments and know no kernel; a device's faster kernel goes in here.
import torch
import torch.nn.functional as F
from torch import Tensor
from typing import List


# Rotates each head by its row's angles, in float32 whatever the dtype of x.
# x (rows, heads, head_dim), cos and sin (rows, head_dim / 2) → (rows, heads, head_dim)
def apply_rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.float().chunk(2, dim=-1)
    cos, sin = cos[:, None], sin[:, None]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1).to(x.dtype)


# Every row attends to all rows of its block. The blocks come in runs: counts[i] blocks of sizes[i] rows each.
# q, k, v (rows, heads, head_dim) → (rows, heads · head_dim)
def attend_blocks(q: Tensor, k: Tensor, v: Tensor, counts: List[int], sizes: List[int]) -> Tensor:
    outputs: List[Tensor] = []
    start = 0
    for i in range(len(counts)):
        end = start + counts[i] * sizes[i]
        shape = [counts[i], sizes[i], q.shape[1], q.shape[2]]
        output = F.scaled_dot_product_attention(
            q[start:end].reshape(shape).transpose(1, 2),  # (blocks, heads, size, head_dim)
            k[start:end].reshape(shape).transpose(1, 2),
            v[start:end].reshape(shape).transpose(1, 2),
        )
        outputs.append(output.transpose(1, 2).reshape(end - start, -1))
        start = end
    return torch.cat(outputs)


# How the language model's rows are packed: for each list its prefix once, then its candidates.
# prefixes[g]: tokens of list g's prefix; counts[g]: its candidates; candidates: tokens of each candidate of all lists.
class Segments:
    def __init__(self, prefixes: List[int], counts: List[int], candidates: List[int], x: Tensor):
        self.prefixes = prefixes
        self.counts = counts
        self.candidates = candidates
        # One causal mask for all: row i of a candidate sees columns up to widest_prefix + i; a shorter prefix or
        # candidate takes a part of it. 0 or -inf, as x in device and dtype: (longest, widest_prefix + longest)
        longest = max(candidates)
        self.widest_prefix = max(prefixes)
        allowed = torch.ones([longest, self.widest_prefix + longest], device=x.device, dtype=torch.bool)
        allowed = torch.tril(allowed, diagonal=self.widest_prefix)
        mask = torch.zeros([longest, self.widest_prefix + longest], device=x.device, dtype=x.dtype)
        self.mask = mask.masked_fill(torch.logical_not(allowed), float("-inf"))


# A prefix attends causally to itself; a candidate to the whole prefix of its list and causally to itself.
# q (rows, heads, head_dim), k and v (rows, kv_heads, head_dim) → (rows, heads · head_dim)
def attend_segments(q: Tensor, k: Tensor, v: Tensor, segments: Segments) -> Tensor:
    repeat = q.shape[1] // k.shape[1]
    q = q.transpose(0, 1)[None]  # (1, heads, rows, head_dim)
    k = k.repeat_interleave(repeat, dim=1).transpose(0, 1)[None]
    v = v.repeat_interleave(repeat, dim=1).transpose(0, 1)[None]
    outputs: List[Tensor] = []
    start = 0
    candidate = 0
    for g in range(len(segments.prefixes)):
        prefix = segments.prefixes[g]
        end = start + prefix
        prefix_k, prefix_v = k[:, :, start:end], v[:, :, start:end]
        outputs.append(F.scaled_dot_product_attention(q[:, :, start:end], prefix_k, prefix_v, is_causal=True))
        for c in range(segments.counts[g]):
            length = segments.candidates[candidate]
            start, end = end, end + length
            outputs.append(
                F.scaled_dot_product_attention(
                    q[:, :, start:end],
                    torch.cat([prefix_k, k[:, :, start:end]], dim=2),
                    torch.cat([prefix_v, v[:, :, start:end]], dim=2),
                    attn_mask=segments.mask[
                        :length, segments.widest_prefix - prefix : segments.widest_prefix + length
                    ],
                )
            )
            candidate += 1
        start = end
    return torch.cat(outputs, dim=2)[0].transpose(0, 1).flatten(1)  # (rows, heads · head_dim)
