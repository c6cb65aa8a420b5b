# Runs the vision tower of Qwen2.5-VL over all images of a pass at once, packed.
# Dimensions: patches = all patches of all images; cells = patches / merge²; pixels = channels · patch².
import torch
import torch.nn.functional as F
from torch import Tensor
from typing import List, Optional

from attention import Blocks, attend_blocks, pair_rotary, rotary_turns
from fused import Fused, Rows
from weights import Weights


class VisionBlock:
    # mlp_multiple: pads the MLP's width with zeros to a multiple of this, for speed alone
    def __init__(self, weights: Weights, fused: Fused, prefix: str, heads: int, mlp_multiple: int):
        self.fused = fused
        self.heads = heads
        self.norm1 = weights.one(prefix + "norm1.weight")
        self.norm2 = weights.one(prefix + "norm2.weight")
        self.qkv = weights.linear([prefix + "attn.qkv"], 1, 1, True, True)
        self.proj = weights.linear([prefix + "attn.proj"], 1, 1, True, True)
        self.gate = weights.linear([prefix + "mlp.gate_proj"], mlp_multiple, 1, True, True)
        self.up = weights.linear([prefix + "mlp.up_proj"], mlp_multiple, 1, True, True)
        self.down = weights.linear([prefix + "mlp.down_proj"], 1, mlp_multiple, True, True)

    # Prepares the filled weights, once.
    def finish(self):
        pair_rotary(self.qkv, 2 * self.heads, self.qkv.weight.shape[0] // (3 * self.heads))

    # Adds delta (patches, hidden) and the attention to x (patches, hidden), in place; patches attend within their block.
    # turns (patches, 1, head_dim / 2), complex → (patches, hidden), the MLP's output, to add to x
    def __call__(self, x: Tensor, delta: Optional[Tensor], turns: Tensor, blocks: Blocks) -> Tensor:
        y = self.fused.add_rms(x, delta, self.norm1, 1e-6, self.qkv.e4m3)
        end = 2 * x.shape[1]
        qk = self.qkv.part(y, 0, end).view(x.shape[0], 2 * self.heads, -1)  # (patches, heads, head_dim)
        v = self.qkv.part(y, end, 3 * x.shape[1]).view(x.shape[0], self.heads, -1)
        q, k = self.fused.rotate(qk, turns).chunk(2, dim=1)
        attended = attend_blocks(q, k, v, blocks)
        delta = self.proj(self.fused.rows(attended, self.proj.e4m3))
        y = self.fused.add_rms(x, delta, self.norm2, 1e-6, self.gate.e4m3)
        return self.down(self.fused.silu_mul(self.gate(y), self.up(y), self.down.e4m3))


class VisionTower:
    def __init__(
        self,
        weights: Weights,
        fused: Fused,
        depth: int,
        heads: int,
        patch: int,
        merge: int,
        mlp_multiple: int,
        full_attention: List[int],
        theta: float,
        mean: List[float],
        std: List[float],
    ):
        self.fused = fused
        # (hidden, channels, temporal, patch, patch)
        self.patch_embed_frames = weights.one("visual.patch_embed.proj.weight")
        self.patch_embed = self.patch_embed_frames[:0]
        self.patch = patch
        self.merge = merge
        self.full_attention = full_attention
        self.blocks = [
            VisionBlock(weights, fused, "visual.blocks.{}.".format(i), heads, mlp_multiple) for i in range(depth)
        ]
        self.ln_q = weights.one("visual.merger.ln_q.weight")
        self.merger_in = weights.linear(["visual.merger.mlp.0"], 1, 1, True, False)
        self.merger_out = weights.linear(["visual.merger.mlp.2"], 1, 1, True, False)
        device = self.ln_q.device
        per_axis = self.ln_q.shape[0] // heads // 2
        steps = torch.arange(0, per_axis, 2, device=device).float() / per_axis
        self.inv_freq = 1.0 / (theta**steps)  # (head_dim / 4)
        self.mean = torch.tensor(mean, device=device)
        self.std = torch.tensor(std, device=device)

    # Prepares the filled weights, once.
    def finish(self):
        # a still image repeats its frame, so all temporal slices meet the same pixels: sum them once
        frames = self.patch_embed_frames
        self.patch_embed = frames.float().sum(2).flatten(1).to(frames.dtype)  # (hidden, pixels)
        for block in self.blocks:
            block.finish()

    # Cuts 8-bit RGB of all images into patches: those of a cell adjacent, the cells of an image in row-major order.
    # rgb (bytes); heights and widths (images), in pixels → (patches, pixels), columns by channel, y, x
    def to_patches(self, rgb: Tensor, heights: List[int], widths: List[int]) -> Tensor:
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

    # Encodes images. rgb, heights, widths: see to_patches; order (cells): the cell of to_patches at each place of the
    # window order; rows and columns (patches): position of each patch of the window order in its image, in patches;
    # windows and images: patches of each, in the window order → (cells, out_hidden), in the order of to_patches
    def __call__(
        self,
        rgb: Tensor,
        heights: List[int],
        widths: List[int],
        order: Tensor,
        rows: Tensor,
        columns: Tensor,
        windows: List[int],
        images: List[int],
        flash: bool,
    ) -> Tensor:
        patches = self.to_patches(rgb, heights, widths)
        pixels = patches.shape[1]
        patches = patches.view(order.shape[0], -1)[order].view(-1, pixels)
        x = F.linear(self.normalise(patches).to(self.patch_embed.dtype), self.patch_embed)  # (patches, hidden)
        angles = torch.cat([rows[:, None] * self.inv_freq, columns[:, None] * self.inv_freq], dim=-1)
        turns = rotary_turns(angles)
        window_blocks = Blocks(windows, x.device, flash)
        image_blocks = Blocks(images, x.device, flash)
        delta: Optional[Tensor] = None
        for i, block in enumerate(self.blocks):
            delta = block(x, delta, turns, image_blocks if i in self.full_attention else window_blocks)
        x = self.fused.add_rms(x, delta, self.ln_q, 1e-6, False).values.view(order.shape[0], -1)
        x = F.gelu(self.merger_in(Rows(x, None)))  # (cells, merge² · hidden)
        x = self.merger_out(Rows(x, None))  # (cells, out_hidden)
        return x[torch.argsort(order)]
