# The vision tower of Qwen2.5-VL. All images of a pass go through it at once, packed.
# Dimensions: patches = all patches of all images; cells = patches / merge²; pixels = channels · patch².
import torch
import torch.nn.functional as F
from torch import Tensor
from typing import Dict, List

from attention import apply_rotary, attend_blocks


class VisionBlock:
    def __init__(self, weights: Dict[str, Tensor], prefix: str, heads: int):
        self.heads = heads
        self.norm1 = weights.pop(prefix + "norm1.weight")
        self.norm2 = weights.pop(prefix + "norm2.weight")
        self.qkv_weight = weights.pop(prefix + "attn.qkv.weight")
        self.qkv_bias = weights.pop(prefix + "attn.qkv.bias")
        self.proj_weight = weights.pop(prefix + "attn.proj.weight")
        self.proj_bias = weights.pop(prefix + "attn.proj.bias")
        self.gate_up_weight = torch.cat(
            [weights.pop(prefix + "mlp.gate_proj.weight"), weights.pop(prefix + "mlp.up_proj.weight")]
        )
        self.gate_up_bias = torch.cat(
            [weights.pop(prefix + "mlp.gate_proj.bias"), weights.pop(prefix + "mlp.up_proj.bias")]
        )
        self.down_weight = weights.pop(prefix + "mlp.down_proj.weight")
        self.down_bias = weights.pop(prefix + "mlp.down_proj.bias")

    # (patches, hidden) → (patches, hidden); patches attend within their block
    def __call__(self, x: Tensor, cos: Tensor, sin: Tensor, counts: List[int], sizes: List[int]) -> Tensor:
        hidden = x.shape[1]
        y = torch.rms_norm(x, [hidden], self.norm1, 1e-6)
        qkv = F.linear(y, self.qkv_weight, self.qkv_bias).view(-1, 3, self.heads, hidden // self.heads)
        q, k, v = qkv.unbind(1)  # each (patches, heads, head_dim)
        y = attend_blocks(apply_rotary(q, cos, sin), apply_rotary(k, cos, sin), v, counts, sizes)
        x = x + F.linear(y, self.proj_weight, self.proj_bias)
        y = torch.rms_norm(x, [hidden], self.norm2, 1e-6)
        gate, up = F.linear(y, self.gate_up_weight, self.gate_up_bias).chunk(2, dim=-1)
        return x + F.linear(F.silu(gate) * up, self.down_weight, self.down_bias)


class VisionTower:
    def __init__(
        self,
        weights: Dict[str, Tensor],
        depth: int,
        heads: int,
        patch: int,
        merge: int,
        full_attention: List[int],
        theta: float,
        mean: List[float],
        std: List[float],
    ):
        embed = weights.pop("visual.patch_embed.proj.weight")  # (hidden, channels, temporal, patch, patch)
        # a still image is its frame repeated, so the temporal slices meet the same pixels: sum them once
        self.patch_embed = embed.float().sum(2).flatten(1).to(embed.dtype)  # (hidden, pixels)
        self.patch = patch
        self.merge = merge
        self.full_attention = full_attention
        self.blocks = [VisionBlock(weights, "visual.blocks.{}.".format(i), heads) for i in range(depth)]
        self.ln_q = weights.pop("visual.merger.ln_q.weight")
        self.merger_in_weight = weights.pop("visual.merger.mlp.0.weight")
        self.merger_in_bias = weights.pop("visual.merger.mlp.0.bias")
        self.merger_out_weight = weights.pop("visual.merger.mlp.2.weight")
        self.merger_out_bias = weights.pop("visual.merger.mlp.2.bias")
        per_axis = embed.shape[0] // heads // 2
        steps = torch.arange(0, per_axis, 2, device=embed.device).float() / per_axis
        self.inv_freq = 1.0 / (theta**steps)  # (head_dim / 4)
        self.mean = torch.tensor(mean, device=embed.device)
        self.std = torch.tensor(std, device=embed.device)

    # 8-bit RGB of all images, one behind the other, to rows of one patch each. The merge × merge patches of a cell
    # are neighbours, the cells of an image lie row by row: (bytes) → (patches, pixels), columns by channel, y, x
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

    # (patches, pixels) of 0..255 → the same, normalised, float32
    def normalise(self, patches: Tensor) -> Tensor:
        x = patches.view(-1, 3, self.patch * self.patch).float() / 255.0
        return ((x - self.mean[:, None]) / self.std[:, None]).flatten(1)

    # order (cells): at each place of the window order, which cell of to_patches lies there; rows and columns (patches):
    # where each patch of the window order lies in its image, in patches. Windows and images come as runs of equal size,
    # in patches. → (cells, out_hidden), in the order of to_patches
    def __call__(
        self,
        rgb: Tensor,
        heights: List[int],
        widths: List[int],
        order: Tensor,
        rows: Tensor,
        columns: Tensor,
        window_counts: List[int],
        window_sizes: List[int],
        image_counts: List[int],
        image_sizes: List[int],
    ) -> Tensor:
        patches = self.to_patches(rgb, heights, widths)
        pixels = patches.shape[1]
        patches = patches.view(order.shape[0], -1)[order].view(-1, pixels)
        x = F.linear(self.normalise(patches).to(self.patch_embed.dtype), self.patch_embed)  # (patches, hidden)
        hidden = x.shape[1]
        angles = torch.cat([rows[:, None] * self.inv_freq, columns[:, None] * self.inv_freq], dim=-1)
        cos, sin = angles.cos(), angles.sin()  # (patches, head_dim / 2), float32
        for i, block in enumerate(self.blocks):
            if i in self.full_attention:
                x = block(x, cos, sin, image_counts, image_sizes)
            else:
                x = block(x, cos, sin, window_counts, window_sizes)
        x = torch.rms_norm(x, [hidden], self.ln_q, 1e-6).view(order.shape[0], -1)  # (cells, merge² · hidden)
        x = F.gelu(F.linear(x, self.merger_in_weight, self.merger_in_bias))
        x = F.linear(x, self.merger_out_weight, self.merger_out_bias)  # (cells, out_hidden)
        return x[torch.argsort(order)]
