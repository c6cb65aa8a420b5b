# Prepares patches for a vision tower, and attends to them: what the towers share.
# Dimensions: patches = all patches of all images; cells = patches / merge²; pixels = channels · patch².
import torch
import torch.nn.functional as F
from torch import Tensor
from typing import List

from attention import Blocks, attend_blocks, pair_rotary, rotary_turns
from fused import Fused, Rows
from weights import Weights


# Embeds the pixels of all images.
class PatchEmbedding:
    def __init__(self, weights: Weights, patch: int, merge: int, mean: List[float], std: List[float]):
        # (hidden, channels, temporal, patch, patch)
        self.frames = weights.one("visual.patch_embed.proj.weight")
        self.bias = weights.optional("visual.patch_embed.proj.bias")
        self.weight = self.frames[:0]
        self.patch = patch
        self.merge = merge
        self.mean = torch.tensor(mean, device=weights.device)
        self.std = torch.tensor(std, device=weights.device)

    # Prepares the filled weights, once.
    def finish(self):
        # a still image repeats its frame, so all temporal slices meet the same pixels: sum them once
        self.weight = self.frames.float().sum(2).flatten(1).to(self.frames.dtype)  # (hidden, pixels)

    # Cuts 8-bit RGB of all images into patches: those of a cell adjacent, the cells of an image in row-major order.
    # rgb (bytes); heights and widths (images), in pixels → (patches, pixels), columns by channel, y, x
    def cut(self, rgb: Tensor, heights: List[int], widths: List[int]) -> Tensor:
        images: List[Tensor] = []
        patch, merge = self.patch, self.merge
        cell = patch * merge
        start = 0
        for i in range(len(heights)):
            height, width = heights[i], widths[i]
            end = start + height * width * 3
            x = rgb[start:end].view(height // cell, merge, patch, width // cell, merge, patch, 3)
            images.append(x.permute(0, 3, 1, 4, 6, 2, 5).reshape(-1, 3 * patch * patch))
            start = end
        return torch.cat(images)

    # Normalises pixels. patches (patches, pixels), 0 to 255 → (patches, pixels), float32
    def normalise(self, patches: Tensor) -> Tensor:
        x = patches.view(-1, 3, self.patch * self.patch).float() / 255.0
        return ((x - self.mean[:, None]) / self.std[:, None]).flatten(1)

    # patches (patches, pixels), 0 to 255 → (patches, hidden)
    def __call__(self, patches: Tensor) -> Tensor:
        return F.linear(self.normalise(patches).to(self.weight.dtype), self.weight, self.bias)


# Computes rotary frequencies of one axis. → (head_dim / 4)
def axis_frequencies(head_dim: int, theta: float, device: torch.device) -> Tensor:
    per_axis = head_dim // 2
    steps = torch.arange(0, per_axis, 2, device=device).float() / per_axis
    return 1.0 / (theta**steps)


# Turns half of a head's numbers with a patch's row, half with its column. rows and columns (patches), frequencies
# (head_dim / 4) → (patches, 1, head_dim / 2), complex
def axial_turns(rows: Tensor, columns: Tensor, frequencies: Tensor) -> Tensor:
    return rotary_turns(torch.cat([rows[:, None] * frequencies, columns[:, None] * frequencies], dim=-1))


class VisionAttention:
    def __init__(self, weights: Weights, fused: Fused, prefix: str, heads: int):
        self.fused = fused
        self.heads = heads
        self.qkv = weights.linear([prefix + "qkv"], 1, 1, True, True)
        self.proj = weights.linear([prefix + "proj"], 1, 1, True, True)

    # Prepares the filled weights, once.
    def finish(self):
        pair_rotary(self.qkv, 2 * self.heads, self.qkv.weight.shape[0] // (3 * self.heads))

    # Attends within blocks. y (patches, hidden), turns (patches, 1, head_dim / 2), complex → (patches, hidden)
    def __call__(self, y: Rows, turns: Tensor, blocks: Blocks) -> Tensor:
        qkv = self.qkv(y).view(y.values.shape[0], 3 * self.heads, -1)  # (patches, heads, head_dim)
        self.fused.rotate(qkv[:, : 2 * self.heads], turns)
        q, k, v = qkv.chunk(3, dim=1)
        return self.proj(self.fused.rows(attend_blocks(q, k, v, blocks, self.fused), self.proj.e4m3))
