# Runs the vision tower of Qwen2.5-VL over all images of a pass at once, packed.
# Dimensions: patches = all patches of all images; cells = patches / merge²; pixels = channels · patch².
import torch
import torch.nn.functional as F
from torch import Tensor
from typing import List

from attention import Blocks, apply_rotary, attend_blocks, pair_rotary, rotary_turns
from weights import Weights


class VisionBlock:
    # mlp_multiple: pads the MLP's width with zeros to a multiple of this, for speed alone
    def __init__(self, weights: Weights, prefix: str, heads: int, mlp_multiple: int):
        self.heads = heads
        self.norm1 = weights.one(prefix + "norm1.weight")
        self.norm2 = weights.one(prefix + "norm2.weight")
        self.qkv_weight = weights.one(prefix + "attn.qkv.weight")
        self.qkv_bias = weights.one(prefix + "attn.qkv.bias")
        self.proj_weight = weights.one(prefix + "attn.proj.weight")
        self.proj_bias = weights.one(prefix + "attn.proj.bias")
        gate, up = prefix + "mlp.gate_proj.", prefix + "mlp.up_proj."
        self.gate_weight = weights.stacked([gate + "weight"], mlp_multiple, 1)
        self.gate_bias = weights.stacked([gate + "bias"], mlp_multiple, 1)
        self.up_weight = weights.stacked([up + "weight"], mlp_multiple, 1)
        self.up_bias = weights.stacked([up + "bias"], mlp_multiple, 1)
        self.down_weight = weights.stacked([prefix + "mlp.down_proj.weight"], 1, mlp_multiple)
        self.down_bias = weights.one(prefix + "mlp.down_proj.bias")

    # Prepares the filled weights, once.
    def finish(self):
        head_dim = self.qkv_bias.shape[0] // (3 * self.heads)
        pair_rotary(self.qkv_weight, 2 * self.heads, head_dim)
        pair_rotary(self.qkv_bias, 2 * self.heads, head_dim)

    # Updates x (patches, hidden) in place; patches attend within their block. turns (patches, 1, head_dim / 2), complex
    def __call__(self, x: Tensor, turns: Tensor, blocks: Blocks):
        hidden = x.shape[1]
        y = torch.rms_norm(x, [hidden], self.norm1, 1e-6)
        # two products, so that queries and keys are contiguous for the rotation
        end = 2 * hidden
        qk = F.linear(y, self.qkv_weight[:end], self.qkv_bias[:end]).view(x.shape[0], 2 * self.heads, -1)
        v = F.linear(y, self.qkv_weight[end:], self.qkv_bias[end:]).view(x.shape[0], self.heads, -1)
        q, k = apply_rotary(qk, turns).chunk(2, dim=1)  # each (patches, heads, head_dim)
        x.add_(F.linear(attend_blocks(q, k, v, blocks), self.proj_weight, self.proj_bias))
        y = torch.rms_norm(x, [hidden], self.norm2, 1e-6)
        gate = torch.silu_(F.linear(y, self.gate_weight, self.gate_bias))
        gate.mul_(F.linear(y, self.up_weight, self.up_bias))
        x.add_(F.linear(gate, self.down_weight, self.down_bias))


class VisionTower:
    def __init__(
        self,
        weights: Weights,
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
        # (hidden, channels, temporal, patch, patch)
        self.patch_embed_frames = weights.one("visual.patch_embed.proj.weight")
        self.patch_embed = self.patch_embed_frames[:0]
        self.patch = patch
        self.merge = merge
        self.full_attention = full_attention
        self.blocks = [
            VisionBlock(weights, "visual.blocks.{}.".format(i), heads, mlp_multiple) for i in range(depth)
        ]
        self.ln_q = weights.one("visual.merger.ln_q.weight")
        self.merger_in_weight = weights.one("visual.merger.mlp.0.weight")
        self.merger_in_bias = weights.one("visual.merger.mlp.0.bias")
        self.merger_out_weight = weights.one("visual.merger.mlp.2.weight")
        self.merger_out_bias = weights.one("visual.merger.mlp.2.bias")
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
        hidden = x.shape[1]
        angles = torch.cat([rows[:, None] * self.inv_freq, columns[:, None] * self.inv_freq], dim=-1)
        turns = rotary_turns(angles)
        window_blocks = Blocks(windows, x.device, flash)
        image_blocks = Blocks(images, x.device, flash)
        for i, block in enumerate(self.blocks):
            block(x, turns, image_blocks if i in self.full_attention else window_blocks)
        x = torch.rms_norm(x, [hidden], self.ln_q, 1e-6).view(order.shape[0], -1)  # (cells, merge² · hidden)
        x = F.gelu(F.linear(x, self.merger_in_weight, self.merger_in_bias))
        x = F.linear(x, self.merger_out_weight, self.merger_out_bias)  # (cells, out_hidden)
        return x[torch.argsort(order)]
