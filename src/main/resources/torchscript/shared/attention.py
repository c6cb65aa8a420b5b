# Computes attention over packed sequences: the rows of all sequences in one tensor, without padding.
# Each has three implementations: own tiles (cuda/attention.cu), FlashAttention (module flash), and plain operations.
import torch
import torch.nn.functional as F
from torch import Tensor
from typing import List

from flash import flash_attention
from fused import Fused
from linear import Linear
from weights import to_device


# Moves the two numbers of each rotary pair together. rows (heads · head_dim, …) → the same shape
def pair_heads(rows: Tensor, heads: int, head_dim: int) -> Tensor:
    halves = rows.view([heads, 2, head_dim // 2] + rows.shape[1:])
    return halves.transpose(1, 2).reshape(rows.shape)


# Reorders the rows of the query and key projections, once, so that rotary pairs are adjacent and form complex numbers.
# Checkpoints hold the two numbers of a pair half a head apart. Few plain operations then rotate a pass, and no kernel
# is compiled for a new shape. Attention doesn't depend on the order.
# projection: its first heads · head_dim rows are reordered, in place
def pair_rotary(projection: Linear, heads: int, head_dim: int):
    for x in [projection.weight, projection.scales, projection.bias]:
        if x is not None:
            rows = x[: heads * head_dim]
            rows.copy_(pair_heads(rows, heads, head_dim))


# Turns angles into complex factors. angles (rows, head_dim / 2), float32 → (rows, 1, head_dim / 2), complex
def rotary_turns(angles: Tensor) -> Tensor:
    return torch.polar(torch.ones_like(angles), angles)[:, None]


# Returns the first row of each sequence of these lengths, and the end of the last: (sequences + 1), int32
def starts_of(lengths: List[int], device: torch.device) -> Tensor:
    starts = torch.cumsum(torch.tensor([0] + lengths), 0).to(torch.int32)
    return to_device(starts, device)


# Cuts rows into tiles of own attention, appended to tiles: the first row and the rows of each, the first and the number
# of the keys that all its rows attend to, and the first of those up to each row itself. tile: the most rows of one
def cut_tiles(tiles: List[int], start: int, end: int, common_start: int, common: int, causal: bool, tile: int):
    for first in range(start, end, tile):
        last = min(first + tile, end)
        tiles.extend([first, last - first, common_start, common, start if causal else last])


def tiles_tensor(tiles: List[int], device: torch.device) -> Tensor:
    return to_device(torch.tensor(tiles, dtype=torch.int32).view(-1, 5), device)


# Describes consecutive blocks of rows. lengths: rows of each block; tile: see Fused.tile
class Blocks:
    def __init__(self, lengths: List[int], device: torch.device, flash: bool, tile: int):
        self.longest = max(lengths)
        tiles: List[int] = []
        if tile > 0 and (self.longest <= 2 * tile or not flash):  # FlashAttention's tiles suit long blocks better
            start = 0
            for length in lengths:
                cut_tiles(tiles, start, start + length, start, length, False, tile)
                start += length
        self.tiles = tiles_tensor(tiles, device)  # none: not own attention
        self.flash = flash and len(tiles) == 0
        self.starts = starts_of(lengths, device) if self.flash else self.tiles
        counts: List[int] = []  # runs of equal length, without flash: counts[i] blocks of sizes[i] rows each
        sizes: List[int] = []
        if not flash and len(tiles) == 0:
            for length in lengths:
                if len(sizes) > 0 and sizes[-1] == length:
                    counts[-1] = counts[-1] + 1
                else:
                    counts.append(1)
                    sizes.append(length)
        self.counts = counts
        self.sizes = sizes


# Attends within blocks: every row to all rows of its block. q, k, v (rows, heads, head_dim) → (rows, heads · head_dim)
def attend_blocks(q: Tensor, k: Tensor, v: Tensor, blocks: Blocks, fused: Fused) -> Tensor:
    if blocks.tiles.shape[0] > 0:
        return fused.attend(q, k, v, blocks.tiles)
    if blocks.flash:
        starts, longest = blocks.starts, blocks.longest
        return flash_attention(q, k, v, starts, starts, longest, longest, False)[0].flatten(1)
    outputs: List[Tensor] = []
    start = 0
    for i in range(len(blocks.counts)):
        end = start + blocks.counts[i] * blocks.sizes[i]
        shape = [blocks.counts[i], blocks.sizes[i], q.shape[1], q.shape[2]]
        output = F.scaled_dot_product_attention(
            q[start:end].reshape(shape).transpose(1, 2),  # (blocks, heads, size, head_dim)
            k[start:end].reshape(shape).transpose(1, 2),
            v[start:end].reshape(shape).transpose(1, 2),
        )
        outputs.append(output.transpose(1, 2).reshape(end - start, -1))
        start = end
    return torch.cat(outputs)


# Describes the packing of the language model's rows: the prefixes of all lists, then the candidates of all lists.
# prefixes[g]: tokens of list g's prefix; counts[g]: its candidates; candidates: tokens of each candidate of all lists;
# x (rows, hidden): for its device, dtype and number of rows; tile: see Fused.tile
class PackedSegments:
    def __init__(
        self, prefixes: List[int], counts: List[int], candidates: List[int], x: Tensor, flash: bool, tile: int
    ):
        self.flash = flash and tile == 0
        tiles: List[int] = []
        self.prefix_rows = sum(prefixes)
        self.queries = prefixes + candidates  # rows of each segment
        keys: List[Tensor] = []  # rows that each segment attends to: for a candidate its list's prefix, then itself
        key_counts: List[int] = []
        lists: List[int] = []  # candidate rows of each list
        prefix_start = 0
        for prefix in prefixes:
            if tile > 0:
                cut_tiles(tiles, prefix_start, prefix_start + prefix, 0, 0, True, tile)
            else:
                keys.append(torch.arange(prefix_start, prefix_start + prefix))
            key_counts.append(prefix)
            prefix_start += prefix
        start, candidate, prefix_start = prefix_start, 0, 0
        for g in range(len(prefixes)):
            list_start = start
            for _ in range(counts[g]):
                rows = candidates[candidate]
                if tile > 0:
                    cut_tiles(tiles, start, start + rows, prefix_start, prefixes[g], True, tile)
                else:
                    keys.append(torch.arange(prefix_start, prefix_start + prefixes[g]))
                    keys.append(torch.arange(start, start + rows))
                key_counts.append(prefixes[g] + rows)
                start += rows
                candidate += 1
            prefix_start += prefixes[g]
            lists.append(start - list_start)
        self.tiles = tiles_tensor(tiles, x.device)  # none: not own attention
        self.key_counts = key_counts
        self.longest_query = max(self.queries)
        self.longest_key = max(key_counts)
        self.longest_prefix = max(prefixes)
        self.longest_list = max(lists)
        # With long prefixes and many short candidates, gathered keys would take more memory than everything else.
        self.merged = self.flash and sum(key_counts) > 4 * x.shape[0]
        none = x[:0]
        self.query_starts = starts_of(self.queries, x.device) if self.flash else none
        self.key_starts = starts_of(key_counts, x.device) if self.flash else none
        self.prefix_starts = starts_of(prefixes, x.device) if self.merged else none
        self.list_starts = starts_of(lists, x.device) if self.merged else none  # from the first candidate's first row
        self.keys = none if self.merged or tile > 0 else to_device(torch.cat(keys), x.device)
        self.masks: List[Tensor] = []  # for each segment (rows, keys), 0 or -inf
        if not flash and tile == 0:
            # Row i of a candidate attends to keys up to prefix + i. Contiguous copies: kernels need aligned masks.
            shape = [self.longest_query, self.longest_prefix + self.longest_query]
            hidden = torch.ones(shape, device=x.device, dtype=torch.bool).triu(self.longest_prefix + 1)
            mask = torch.zeros(shape, device=x.device, dtype=x.dtype).masked_fill(hidden, float("-inf"))
            for i in range(len(key_counts)):
                rows = self.queries[i]
                first = self.longest_prefix - (key_counts[i] - rows)
                self.masks.append(mask[:rows, first : first + key_counts[i]].contiguous())


# Converts the kernel's log-sum-exp to (rows, heads). PyTorch returns (heads, rows); older releases return
# (sequences, heads, longest), with sequence s in [s, :, : its length] and undefined numbers after it.
# starts (sequences + 1), int32
def by_row(lse: Tensor, starts: Tensor) -> Tensor:
    if lse.dim() == 2:
        return lse.t()
    place = torch.arange(lse.shape[2], device=lse.device)
    used = place < (starts[1:] - starts[:-1])[:, None]  # (sequences, longest)
    return lse.transpose(1, 2)[used]


# Merges two attentions of the same rows over disjoint keys into the attention over all keys.
# outputs (rows, heads, head_dim), log-sum-exps (rows, heads), float32 → (rows, heads, head_dim)
def merge_attention(first: Tensor, first_lse: Tensor, second: Tensor, second_lse: Tensor) -> Tensor:
    share = torch.sigmoid(second_lse - first_lse)[:, :, None]  # weight of the second, float32
    return (first.float() + (second.float() - first.float()) * share).type_as(first)


# Attends in two calls: each segment to itself, and the candidates to their prefixes, whose keys are not gathered.
# q (rows, heads, head_dim), k and v (rows, kv_heads, head_dim) → (rows, heads · head_dim)
def attend_merged(q: Tensor, k: Tensor, v: Tensor, segments: PackedSegments) -> Tensor:
    prefix_rows = segments.prefix_rows
    starts, longest = segments.query_starts, segments.longest_query
    own, own_lse = flash_attention(q, k, v, starts, starts, longest, longest, True)
    shared, shared_lse = flash_attention(
        q[prefix_rows:],
        k[:prefix_rows],
        v[:prefix_rows],
        segments.list_starts,
        segments.prefix_starts,
        segments.longest_list,
        segments.longest_prefix,
        False,
    )
    own_lse = by_row(own_lse, starts)[prefix_rows:]
    shared_lse = by_row(shared_lse, segments.list_starts)
    merged = merge_attention(own[prefix_rows:], own_lse, shared, shared_lse)
    return torch.cat([own[:prefix_rows], merged]).flatten(1)


# Attends causally: a prefix to itself, a candidate to the whole prefix of its list and to itself.
# q (rows, heads, head_dim); kv (rows, 2 · kv_heads, head_dim): keys, then values → (rows, heads · head_dim)
def attend_segments(q: Tensor, kv: Tensor, segments: PackedSegments, fused: Fused) -> Tensor:
    if segments.tiles.shape[0] > 0:
        k, v = kv.chunk(2, dim=1)
        return fused.attend(q, k, v, segments.tiles)
    if segments.merged:
        k, v = kv.chunk(2, dim=1)
        return attend_merged(q, k, v, segments)
    k, v = kv[segments.keys].chunk(2, dim=1)
    if segments.flash:
        query_starts, key_starts = segments.query_starts, segments.key_starts
        longest_query, longest_key = segments.longest_query, segments.longest_key
        return flash_attention(q, k, v, query_starts, key_starts, longest_query, longest_key, True)[0].flatten(1)
    repeat = q.shape[1] // k.shape[1]
    q = q.transpose(0, 1)[None]  # (1, heads, rows, head_dim)
    k = k.repeat_interleave(repeat, dim=1).transpose(0, 1)[None]
    v = v.repeat_interleave(repeat, dim=1).transpose(0, 1)[None]
    outputs: List[Tensor] = []
    end = 0
    key_end = 0
    for i in range(len(segments.queries)):
        rows, keys = segments.queries[i], segments.key_counts[i]
        start, end = end, end + rows
        key_start, key_end = key_end, key_end + keys
        outputs.append(
            F.scaled_dot_product_attention(
                q[:, :, start:end],
                k[:, :, key_start:key_end],
                v[:, :, key_start:key_end],
                attn_mask=segments.masks[i],
            )
        )
    return torch.cat(outputs, dim=2)[0].transpose(0, 1).flatten(1)
