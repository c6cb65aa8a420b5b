# Runs the vision tower of Qwen2.5-VL over all images of a pass at once, packed.
# Dimensions: see patches.py.
import torch
import torch.nn.functional as F
from torch import Tensor
from typing import Dict, List, Optional

from attention import Blocks
from fused import Fused, Rows
from patches import PatchEmbedding, VisionAttention, axial_turns, axis_frequencies
from weights import Weights


class VisionBlock:
    # mlp_multiple: pads the MLP's width with zeros to a multiple of this, for speed alone
    def __init__(self, weights: Weights, fused: Fused, prefix: str, heads: int, mlp_multiple: int):
        self.fused = fused
        self.norm1 = weights.one(prefix + "norm1.weight")
        self.norm2 = weights.one(prefix + "norm2.weight")
        self.attention = VisionAttention(weights, fused, prefix + "attn.", heads)
        self.gate = weights.linear([prefix + "mlp.gate_proj"], mlp_multiple, 1, True, True)
        self.up = weights.linear([prefix + "mlp.up_proj"], mlp_multiple, 1, True, True)
        self.down = weights.linear([prefix + "mlp.down_proj"], 1, mlp_multiple, True, True)

    # Adds delta (patches, hidden) and the attention to x (patches, hidden), in place; patches attend within a block.
    # turns (patches, 1, head_dim / 2), complex → (patches, hidden), the MLP's output, to add to x
    def __call__(self, x: Tensor, delta: Optional[Tensor], turns: Tensor, blocks: Blocks) -> Tensor:
        y = self.fused.add_rms(x, delta, self.norm1, 1e-6, self.attention.qkv.e4m3)
        delta = self.attention(y, turns, blocks)
        y = self.fused.add_rms(x, delta, self.norm2, 1e-6, self.gate.e4m3)
        return self.down(self.fused.silu_mul(self.gate(y), self.up(y), self.down.e4m3))


class VisionTower:
    # sizes: depth, heads, patch, merge and mlp_multiple; layers: full_attention, those without windows
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
        self.full_attention = layers["full_attention"]
        heads = sizes["heads"]
        self.blocks = [
            VisionBlock(weights, fused, "visual.blocks.{}.".format(i), heads, sizes["mlp_multiple"])
            for i in range(sizes["depth"])
        ]
        self.ln_q = weights.one("visual.merger.ln_q.weight")
        self.merger_in = weights.linear(["visual.merger.mlp.0"], 1, 1, True, False)
        self.merger_out = weights.linear(["visual.merger.mlp.2"], 1, 1, True, False)
        self.cell_width = self.merger_out.weight.shape[0]
        self.frequencies = axis_frequencies(self.ln_q.shape[0] // heads, theta, weights.device)

    # Prepares the filled weights, once.
    def finish(self):
        self.patches.finish()
        for block in self.blocks:
            block.attention.finish()

    # Encodes images. rgb, heights, widths: see PatchEmbedding.cut; order (cells): the cell of cut at each place of the
    # window order; rows and columns (patches): position of each patch of the window order in its image, in patches;
    # windows and images: patches of each, in the window order → (cells, out_hidden), in the order of cut
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
        patches = self.patches.cut(rgb, heights, widths)
        pixels = patches.shape[1]
        x = self.patches(patches.view(order.shape[0], -1)[order].view(-1, pixels))  # (patches, hidden)
        turns = axial_turns(rows, columns, self.frequencies)
        window_blocks = Blocks(windows, x.device, flash, self.fused.tile(1, 1))
        image_blocks = Blocks(images, x.device, flash, self.fused.tile(1, 1))
        delta: Optional[Tensor] = None
        for i, block in enumerate(self.blocks):
            delta = block(x, delta, turns, image_blocks if i in self.full_attention else window_blocks)
        x = self.fused.add_rms(x, delta, self.ln_q, 1e-6, False).values.view(order.shape[0], -1)
        x = F.gelu(self.merger_in(Rows(x, None)))  # (cells, merge² · hidden)
        x = self.merger_out(Rows(x, None))  # (cells, out_hidden)
        return x[torch.argsort(order)]
