# Qwen2.5-VL as a reranker: how much likelier "yes" is than "no" as the next token.
# Java sets the attributes from config.json, calls load once for each tensor of the checkpoint, then build.
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module
from typing import Dict, List, Optional

from language import LanguageModel
from vision import VisionTower


class Reranker(Module):
    device: str
    dtype: int
    head_name: str
    yes_id: int
    no_id: int

    vision_depth: int
    vision_heads: int
    patch: int
    merge: int
    full_attention: List[int]
    vision_theta: float
    image_mean: List[float]
    image_std: List[float]

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    eps: float
    theta: float
    mrope_axes: List[int]

    weights: Dict[str, Tensor]
    head: Optional[Tensor]
    visual: Optional[VisionTower]
    language: Optional[LanguageModel]

    # Takes one tensor over, as a copy on the device; bfloat16: its bits are bf16, whatever its dtype says (the Java API
    # has no safe bf16). The output matrix is not kept: two of its rows are all that is ever used.
    def load(self, name: str, tensor: Tensor, bfloat16: bool) -> int:
        if name == self.head_name:
            rows = tensor[[self.yes_id, self.no_id]]
            if bfloat16:
                rows = torch.view_copy(rows, dtype=torch.bfloat16)
            rows = rows.float()
            self.head = (rows[0] - rows[1]).to(torch.device(self.device))  # (hidden)
        if name != "lm_head.weight":
            if bfloat16:
                tensor = torch.view_copy(tensor, dtype=torch.bfloat16)
            self.weights[name] = tensor.to(torch.device(self.device), self.dtype, copy=True)
        return len(self.weights)

    # Makes the network of what was loaded; returns how many tensors nothing asked for.
    def build(self) -> int:
        self.visual = VisionTower(
            self.weights,
            self.vision_depth,
            self.vision_heads,
            self.patch,
            self.merge,
            self.full_attention,
            self.vision_theta,
            self.image_mean,
            self.image_std,
        )
        self.language = LanguageModel(
            self.weights,
            self.layers,
            self.heads,
            self.kv_heads,
            self.head_dim,
            self.eps,
            self.theta,
            self.mrope_axes,
        )
        return len(self.weights)

    # What the patch embedding sees: (bytes) → (patches, pixels), float32
    def patches(self, rgb: Tensor, heights: List[int], widths: List[int]) -> Tensor:
        visual = self.visual
        assert visual is not None
        return visual.normalise(visual.to_patches(rgb.to(torch.device(self.device)), heights, widths)).cpu()

    # See VisionTower. → (cells, hidden), on the device
    def see(
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
        visual = self.visual
        assert visual is not None
        device = torch.device(self.device)
        return visual(
            rgb.to(device),
            heights,
            widths,
            order.to(device),
            rows.to(device),
            columns.to(device),
            window_counts,
            window_sizes,
            image_counts,
            image_sizes,
        )

    # See LanguageModel. → (candidates, hidden), on the device
    def read(
        self,
        tokens: Tensor,
        positions: Tensor,
        last: Tensor,
        prefixes: List[int],
        counts: List[int],
        candidates: List[int],
        image_rows: Tensor,
        images: Optional[Tensor] = None,
    ) -> Tensor:
        language = self.language
        assert language is not None
        device = torch.device(self.device)
        return language(
            tokens.to(device),
            positions.to(device),
            last.to(device),
            prefixes,
            counts,
            candidates,
            image_rows.to(device),
            images,
        )

    # hidden (candidates, hidden) → probability of yes against no (candidates), float32, on the CPU
    def judge(self, hidden: Tensor) -> Tensor:
        head = self.head
        assert head is not None
        return torch.sigmoid((hidden.float() * head).sum(-1)).cpu()
