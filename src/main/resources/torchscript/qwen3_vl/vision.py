# Runs the vision tower of Qwen3-VL over all images of a pass at once, packed.
# Dimensions: see patches.py; planes = 1 + layers of DeepStack.
import torch
import torch.nn.functional as F
from torch import Tensor
from typing import Dict, List, Optional

from attention import Blocks
from fused import Fused, Rows
from patches import PatchEmbedding, VisionAttention, axial_turns, axis_frequencies
from weights import Weights, to_device


class LayerNorm:
    def __init__(self, weights: Weights, prefix: str):
        self.weight = weights.one(prefix + "weight")
        self.bias = weights.one(prefix + "bias")

    # x (…, width) → the same shape
    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, [x.shape[1]], self.weight, self.bias, 1e-6)


class VisionBlock:
    # mlp_multiple: pads the MLP's width with zeros to a multiple of this, for speed alone
    def __init__(self, weights: Weights, fused: Fused, prefix: str, heads: int, mlp_multiple: int):
        self.fused = fused
        self.norm1 = LayerNorm(weights, prefix + "norm1.")
        self.norm2 = LayerNorm(weights, prefix + "norm2.")
        self.attention = VisionAttention(weights, fused, prefix + "attn.", heads)
        self.up = weights.linear([prefix + "mlp.linear_fc1"], mlp_multiple, 1, True, True)
        self.down = weights.linear([prefix + "mlp.linear_fc2"], 1, mlp_multiple, True, True)

    # Adds attention and MLP to x (patches, hidden), in place; patches attend within their image.
    # turns (patches, 1, head_dim / 2), complex
    def __call__(self, x: Tensor, turns: Tensor, blocks: Blocks):
        x.add_(self.attention(self.fused.rows(self.norm1(x), self.attention.qkv.e4m3), turns, blocks))
        y = F.gelu(self.up(self.fused.rows(self.norm2(x), self.up.e4m3)), approximate="tanh")
        x.add_(self.down(self.fused.rows(y, self.down.e4m3)))


# Merges the patches of a cell. normed_cells: whether a cell is normalised whole, not each of its patches
class Merger:
    def __init__(self, weights: Weights, prefix: str, normed_cells: bool):
        self.normed_cells = normed_cells
        self.norm = LayerNorm(weights, prefix + "norm.")
        self.up = weights.linear([prefix + "linear_fc1"], 1, 1, True, False)
        self.down = weights.linear([prefix + "linear_fc2"], 1, 1, True, False)

    # x (patches, hidden) → (cells, out_hidden)
    def __call__(self, x: Tensor) -> Tensor:
        width = self.up.weight.shape[1]
        x = self.norm(x.view(-1, width)) if self.normed_cells else self.norm(x).view(-1, width)
        return self.down(Rows(F.gelu(self.up(Rows(x, None))), None))


# Holds a vector for each point of a square grid, stretched over every image.
class GridPositions:
    def __init__(self, weights: Weights, side: int):
        self.side = side
        self.table = weights.one("visual.pos_embed.weight")  # (side², hidden)

    # Interpolates between the four nearest points. sizes (images, 2): patches down and across; counts (images):
    # patches of each; rows and columns (patches) → (patches, hidden)
    def __call__(self, sizes: Tensor, counts: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        steps = (self.side - 1) / (sizes - 1).clamp(1).float()
        steps = torch.repeat_interleave(steps, counts, 0, output_size=rows.shape[0])  # (patches, 2)
        y, x = rows * steps[:, 0], columns * steps[:, 1]
        top, left = y.floor().clamp(0, self.side - 1), x.floor().clamp(0, self.side - 1)
        below, right = (y - top)[:, None], (x - left)[:, None]  # shares of the point below, of that on the right
        first = top.long() * self.side + left.long()
        down = torch.where(top < self.side - 1, self.side, 0)
        across = torch.where(left < self.side - 1, 1, 0)
        table = self.table
        upper = table[first] * (1.0 - right) + table[first + across] * right
        lower = table[first + down] * (1.0 - right) + table[first + down + across] * right
        return (upper * (1.0 - below) + lower * below).to(table.dtype)


class VisionTower:
    # sizes: depth, heads, patch, merge, mlp_multiple and position_side; layers: deepstack, those merged too
    def __init__(
        self,
        weights: Weights,
        fused: Fused,
        sizes: Dict[str, int],
        layers: Dict[str, List[int]],
        theta: float,
        mean: List[float],
        std: List[float],
    ):
        self.fused = fused
        self.patches = PatchEmbedding(weights, sizes["patch"], sizes["merge"], mean, std)
        self.positions = GridPositions(weights, sizes["position_side"])
        self.deepstack = layers["deepstack"]
        heads = sizes["heads"]
        self.blocks = [
            VisionBlock(weights, fused, "visual.blocks.{}.".format(i), heads, sizes["mlp_multiple"])
            for i in range(sizes["depth"])
        ]
        self.merger = Merger(weights, "visual.merger.", False)
        self.deepstack_mergers = [
            Merger(weights, "visual.deepstack_merger_list.{}.".format(i), True) for i in range(len(self.deepstack))
        ]
        self.cell_width = (1 + len(self.deepstack)) * self.merger.down.weight.shape[0]
        hidden = self.merger.norm.weight.shape[0]
        self.frequencies = axis_frequencies(hidden // heads, theta, weights.device)

    # Prepares the filled weights, once.
    def finish(self):
        self.patches.finish()
        for block in self.blocks:
            block.attention.finish()

    # Encodes images. rgb, heights, widths: see PatchEmbedding.cut; rows and columns (patches): position of each patch
    # in its image, in patches; images: patches of each. Without windows, order and windows say nothing new.
    # → (cells, planes · out_hidden): the embedding, then what each layer of DeepStack adds
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
        x = self.patches(self.patches.cut(rgb, heights, widths))  # (patches, hidden)
        sizes = torch.tensor([heights, widths]).t() // self.patches.patch
        x = x + self.positions(to_device(sizes, x.device), to_device(torch.tensor(images), x.device), rows, columns)
        turns = axial_turns(rows, columns, self.frequencies)
        blocks = Blocks(images, x.device, flash, self.fused.tile(1, 1))
        planes: List[Tensor] = []
        for i, block in enumerate(self.blocks):
            block(x, turns, blocks)
            for j, layer in enumerate(self.deepstack):
                if layer == i:
                    planes.append(self.deepstack_mergers[j](x))
        return torch.cat([self.merger(x)] + planes, 1)
